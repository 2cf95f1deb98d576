using System.Net;

namespace Accelerated.Interop.Netlink;

/// <summary>Something changed in the kernel's network state. A reason to look again, not a description to build state from.</summary>
/// <param name="Kind">What changed.</param>
/// <param name="Removed">Whether it is gone, rather than new or different.</param>
/// <param name="InterfaceIndex">The interface concerned; 0 where there is none.</param>
/// <param name="PortId">
/// The netlink socket that asked for the change, as <see cref="RouteSocket.PortId"/>. 0 when the kernel itself acted, and also for link and
/// forwarding entry changes on kernels that do not say: 0 proves nothing about who did it.
/// </param>
/// <param name="Destination">The prefix of a route; the /32 or /128 of an address or neighbour; null for other kinds.</param>
/// <param name="Protocol">The maker of a route, see <see cref="RouteProtocol"/>; otherwise 0.</param>
/// <param name="LinkName">The name of a link; null for other kinds.</param>
/// <param name="MasterIndex">The bridge that a link belongs to or whose table changed; 0 for none.</param>
/// <param name="Forwarding">The forwarding entry as it is now, or was; null for other kinds. Since nobody says whose doing it is, what it says has to do.</param>
public readonly record struct RouteEvent(
    RouteEventKind Kind,
    bool Removed = false,
    int InterfaceIndex = 0,
    uint PortId = 0,
    IPNetwork? Destination = null,
    byte Protocol = 0,
    string? LinkName = null,
    int MasterIndex = 0,
    FdbEntry? Forwarding = null)
{
    /// <summary>The event of a notification; null for types and families nobody here watches.</summary>
    internal static RouteEvent? From(in NetlinkMessage message)
    {
        var port = message.Header.nlmsg_pid;
        switch (message.Type)
        {
            case Rtnl.RTM_NEWLINK or Rtnl.RTM_DELLINK:
                // Under AF_BRIDGE, "delete" means that a port left its bridge; the link lives on.
                var family = NetlinkReader.Struct<IfInfoMsg>(message.Payload).ifi_family;
                var link = LinkMessages.Decode(message.Payload);
                var gone = message.Type == Rtnl.RTM_DELLINK && family == Rtnl.AF_UNSPEC;
                return new(RouteEventKind.Link, gone, link.Index, port, LinkName: link.Name, MasterIndex: link.MasterIndex);

            case Rtnl.RTM_NEWADDR or Rtnl.RTM_DELADDR:
                return AddressMessages.Decode(message.Payload) is { } address
                    ? new(RouteEventKind.Address, message.Type == Rtnl.RTM_DELADDR, address.InterfaceIndex, port, Host(address.Address))
                    : null;

            case Rtnl.RTM_NEWROUTE or Rtnl.RTM_DELROUTE:
                return RouteMessages.Decode(message.Payload) is { } route
                    ? new(
                        RouteEventKind.Route,
                        message.Type == Rtnl.RTM_DELROUTE,
                        route.InterfaceIndex,
                        port,
                        route.Destination,
                        route.Protocol)
                    : null;

            case Rtnl.RTM_NEWNEIGH or Rtnl.RTM_DELNEIGH:
                var removed = message.Type == Rtnl.RTM_DELNEIGH;
                if (NeighbourMessages.DecodeFdb(message.Payload) is { } entry)
                    return new(RouteEventKind.Fdb, removed, entry.InterfaceIndex, port, MasterIndex: entry.MasterIndex, Forwarding: entry);
                return NeighbourMessages.DecodeNeighbour(message.Payload) is { } neighbour
                    ? new(RouteEventKind.Neighbour, removed, neighbour.InterfaceIndex, port, Host(neighbour.Address))
                    : null;

            case Rtnl.RTM_NEWRULE or Rtnl.RTM_DELRULE:
                return new(RouteEventKind.Rule, message.Type == Rtnl.RTM_DELRULE, PortId: port);

            default:
                return null;
        }
    }

    private static IPNetwork Host(IPAddress address) => new(address, AddressFamilies.Bits(address));
}
