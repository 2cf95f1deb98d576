using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;

namespace Accelerated.Agent.State;

/// <summary>The overlay network of one address family as this node should take part in it.</summary>
/// <param name="Family">Address family of the overlay.</param>
/// <param name="Network">The whole overlay network.</param>
/// <param name="Subnet">The node's own subnet.</param>
/// <param name="Underlay">Name of the underlay interface, for messages.</param>
/// <param name="UnderlayIndex">ifindex of the underlay interface.</param>
/// <param name="Device">The VTEP device with the peers behind it, or null where no packet is encapsulated (backend host-gw).</param>
/// <param name="Direct">The peers that plain routes lead to, in address order.</param>
/// <param name="IsHostGw">The node's own lease says host-gw, so plain routes carry everything, device or not.</param>
public sealed record OverlayNetwork(
    AddressFamily Family, IPNetwork Network, IPNetwork Subnet, string Underlay, int UnderlayIndex, OverlayDevice? Device, ImmutableArray<DirectPeer> Direct, bool IsHostGw)
{
    /// <summary>How many peers there are, whichever way to them.</summary>
    public int PeerCount => Direct.Length + (Device?.Peers.Length ?? 0);
}
