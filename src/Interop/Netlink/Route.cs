using System.Net;
using System.Net.Sockets;

namespace Accelerated.Interop.Netlink;

/// <summary>A route (<c>ip route</c>), of either family.</summary>
/// <param name="Destination">The prefix; its family is the route's.</param>
/// <param name="Gateway">The next hop, also one of the other family (RTA_VIA); null for a prefix on the link.</param>
/// <param name="InterfaceIndex">The outgoing interface; 0 for multipath routes and for types that discard, also where IPv6 reports
/// the loopback device for those.</param>
/// <param name="Protocol">Who made it, see <see cref="RouteProtocol"/>.</param>
/// <param name="Scope">See <see cref="RouteScope"/>: <see cref="RouteScope.Link"/> for an IPv4 unicast route without a gateway.</param>
/// <param name="Table">The routing table, see <see cref="RouteTable"/>.</param>
/// <param name="Type">What it does.</param>
/// <param name="OnLink">Take the gateway to be on the link even though no prefix of the interface says so.</param>
/// <param name="Priority">The metric, lower wins. 0 asks for the default, which for IPv6 is 1024 and is reported as that.</param>
/// <param name="PreferredSource">The source address of packets this host makes itself; null for none.</param>
/// <param name="IsMultipath">Whether it has several next hops, which are not in this record. Such a route can be read, not made.</param>
public sealed record Route(
    IPNetwork Destination,
    IPAddress? Gateway,
    int InterfaceIndex,
    byte Protocol,
    byte Scope = RouteScope.Universe,
    uint Table = RouteTable.Main,
    RouteType Type = RouteType.Unicast,
    bool OnLink = false,
    uint Priority = 0,
    IPAddress? PreferredSource = null,
    bool IsMultipath = false)
{
    /// <summary>The metric of an IPv6 route made with priority 0 (IP6_RT_PRIO_USER).</summary>
    public const uint DefaultPriorityV6 = 1024;

    /// <summary>The family of the destination.</summary>
    public AddressFamily Family => Destination.BaseAddress.AddressFamily;

    /// <summary>Whether packets end here rather than leave by an interface.</summary>
    public bool Discards => Type is RouteType.Blackhole or RouteType.Unreachable or RouteType.Prohibit or RouteType.Throw;
}
