using System.Net;

namespace Accelerated.Interop.Netlink;

/// <summary>An entry of the ARP or neighbour discovery table (<c>ip neigh</c>).</summary>
/// <param name="InterfaceIndex">The interface's ifindex.</param>
/// <param name="Address">The protocol address, of either family.</param>
/// <param name="LinkAddress">The hardware address; null while it is not known.</param>
/// <param name="State">See <see cref="NeighbourState"/>.</param>
/// <param name="Flags">See <see cref="NeighbourFlags"/>.</param>
public sealed record Neighbour(
    int InterfaceIndex, IPAddress Address, MacAddress? LinkAddress, ushort State = NeighbourState.Permanent, byte Flags = 0)
{
    /// <summary>Whether it was set by hand and never expires.</summary>
    public bool IsPermanent => (State & NeighbourState.Permanent) != 0;
}
