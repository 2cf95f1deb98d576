using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;

namespace Accelerated.Agent.State;

/// <summary>
/// The VTEP device of one address family as it should be, with everything that hangs on it. Dual-stack nodes have two,
/// <c>flannel.&lt;VNI&gt;</c> and <c>flannel-v6.&lt;VNI&gt;</c>, as flannel makes them.
/// </summary>
/// <param name="Overlay">Address family of the overlay this device carries.</param>
/// <param name="Name">Device name.</param>
/// <param name="Vni">VXLAN network identifier.</param>
/// <param name="Port">UDP destination port.</param>
/// <param name="UnderlayIndex">ifindex of the underlay interface.</param>
/// <param name="Local">Source address of outer packets.</param>
/// <param name="Mac">The device's own address, as the lease tells peers.</param>
/// <param name="Mtu">MTU in bytes, encapsulation already taken off.</param>
/// <param name="Learning">Learn forwarding entries from traffic.</param>
/// <param name="Gbp">Group-based policy extension.</param>
/// <param name="Network">The whole overlay network.</param>
/// <param name="Subnet">The node's own subnet; its network address is the device's address.</param>
/// <param name="Peers">The nodes that packets go to encapsulated, in address order.</param>
public sealed record OverlayDevice(
    AddressFamily Overlay, string Name, uint Vni, ushort Port, int UnderlayIndex, IPAddress Local, MacAddress Mac, int Mtu,
    bool Learning, bool Gbp, IPNetwork Network, IPNetwork Subnet, ImmutableArray<OverlayPeer> Peers);
