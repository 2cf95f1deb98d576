using System.Net;

namespace Accelerated.Interop.Netlink;

/// <summary>An entry of a forwarding database (<c>bridge fdb</c>): for a vxlan device, which VTEP has a hardware address.</summary>
/// <param name="InterfaceIndex">The vxlan device, or the bridge port.</param>
/// <param name="Address">The hardware address; all zero is the default entry of a vxlan device.</param>
/// <param name="Destination">The VTEP's underlay address, of either family; null in a bridge's table.</param>
/// <param name="State">See <see cref="NeighbourState"/>.</param>
/// <param name="Flags">See <see cref="NeighbourFlags"/>; <see cref="NeighbourFlags.Self"/> for a vxlan device.</param>
/// <param name="Vni">A VNI other than the device's, or null.</param>
/// <param name="Port">A UDP port other than the device's, or null.</param>
/// <param name="MasterIndex">The bridge, for an entry in a bridge's table; 0 otherwise. Only ever read.</param>
public sealed record FdbEntry(
    int InterfaceIndex,
    MacAddress Address,
    IPAddress? Destination,
    ushort State = NeighbourState.Permanent,
    byte Flags = NeighbourFlags.Self,
    uint? Vni = null,
    int? Port = null,
    int MasterIndex = 0)
{
    /// <summary>Whether it was set by hand and never expires.</summary>
    public bool IsPermanent => (State & NeighbourState.Permanent) != 0;
}
