using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Asks the kernel for what <see cref="EndpointFinder"/> needs.</summary>
internal sealed class EndpointReader(RouteSocket routes, TimeProvider time)
{
    /// <summary>Nobody tells when a container begins to forward, so it is asked again now and then.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);

    private readonly Dictionary<int, (DateTimeOffset At, IReadOnlyList<Link> Links)> _inside = [];

    /// <summary>The containers with addresses in a subnet.</summary>
    public EndpointView Read(IPNetwork subnet)
    {
        var neighbours = routes.GetNeighbours(AddressFamily.InterNetwork).Where(n => subnet.Contains(n.Address)).ToList();
        if (neighbours.Count == 0)
            return EndpointView.Empty;
        var links = routes.GetLinks().ToDictionary(l => l.Index);
        var tables = new Dictionary<int, Dictionary<MacAddress, int>>();
        return EndpointFinder.Find(subnet, neighbours, links, PortOf, a => routes.LookUpRoute(a) is { Type: RouteType.Unicast } r ? r.InterfaceIndex : null, LinksInside);

        int? PortOf(int bridge, MacAddress mac)
        {
            if (!tables.TryGetValue(bridge, out var table))
            {
                tables[bridge] = table = [];
                // The permanent entries are the ports' own addresses.
                foreach (var entry in routes.GetBridgeFdb(bridge).Where(e => !e.IsPermanent))
                    table[entry.Address] = entry.InterfaceIndex;
            }

            return table.TryGetValue(mac, out var port) ? port : null;
        }
    }

    private IReadOnlyList<Link> LinksInside(Link port)
    {
        var now = time.GetUtcNow();
        if (_inside.TryGetValue(port.Index, out var known) && now - known.At < AskAgain)
            return known.Links;
        foreach (var old in _inside.Where(e => now - e.Value.At >= AskAgain).Select(e => e.Key).ToList())
            _inside.Remove(old);
        try
        {
            var links = routes.GetLinksOf(port.ParentNetns!.Value);
            // What is still being set up is looked at anew next time.
            if (links.Any(l => l.Index == port.ParentIndex && l.IsUp))
                _inside[port.Index] = (now, links);
            return links;
        }
        catch (NetlinkException)
        {
            // Not ours to look at: then there is no other end, and the finder says so.
            return [];
        }
    }
}
