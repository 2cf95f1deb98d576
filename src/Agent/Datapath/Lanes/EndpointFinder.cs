using System.Net;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Finds containers in what the kernel says: an address in our subnet that resolves on a bridge (Docker, the CNI bridge plugin), whose
/// table then names the port, or on a veth of its own with a host route. Pure.
/// </summary>
public static class EndpointFinder
{
    private const ushort Unresolved = NeighbourState.Incomplete | NeighbourState.Failed | NeighbourState.NoArp;

    /// <summary>Finds them.</summary>
    /// <param name="subnet">The node's own subnet.</param>
    /// <param name="neighbours">All IPv4 neighbours.</param>
    /// <param name="links">All links by ifindex.</param>
    /// <param name="portOf">The port of a bridge behind which its table has a hardware address; null for none.</param>
    /// <param name="leadsTo">ifindex of the interface the route to an address leads to; null for none.</param>
    /// <param name="linksInside">The links of the namespace that a veth's other end is in.</param>
    public static EndpointView Find(
        IPNetwork subnet, IEnumerable<Neighbour> neighbours, IReadOnlyDictionary<int, Link> links, Func<int, Interop.MacAddress, int?> portOf,
        Func<IPAddress, int?> leadsTo, Func<Link, IReadOnlyList<Link>> linksInside)
    {
        var endpoints = EndpointView.Empty.Endpoints.ToBuilder();
        var leftOut = EndpointView.Empty.LeftOut.ToBuilder();
        foreach (var neighbour in neighbours)
        {
            if (!subnet.Contains(neighbour.Address) || (neighbour.State & Unresolved) != 0 || neighbour.LinkAddress is not { } mac
                || !links.TryGetValue(neighbour.InterfaceIndex, out var gateway) || gateway.Kind is not ("bridge" or "veth"))
            {
                continue;
            }

            var address = neighbour.Address.ToString();
            if (leadsTo(neighbour.Address) != gateway.Index)
                leftOut[address] = $"the route to it does not lead to {gateway.Name}";
            else if (Attach(neighbour.Address, mac, gateway, links, portOf, linksInside, out var endpoint) is { } reason)
                leftOut[address] = reason;
            else
                endpoints[address] = endpoint!;
        }

        // Seen on two interfaces: the one the route leads to counts.
        leftOut.RemoveRange(endpoints.Keys);
        return new(endpoints.ToImmutable(), leftOut.ToImmutable());
    }

    private static string? Attach(
        IPAddress address, Interop.MacAddress mac, Link gateway, IReadOnlyDictionary<int, Link> links, Func<int, Interop.MacAddress, int?> portOf,
        Func<Link, IReadOnlyList<Link>> linksInside, out Endpoint? endpoint)
    {
        endpoint = null;
        if (!gateway.IsUp || gateway.Address is not { } gatewayMac)
            return $"{gateway.Name} is down";
        if (gateway.FiltersVlans)
            return $"{gateway.Name} filters VLANs";
        var port = gateway;
        if (gateway.Kind == "bridge")
        {
            if (portOf(gateway.Index, mac) is not { } index || !links.TryGetValue(index, out var found))
                return $"{gateway.Name} does not know the port of {mac} yet";
            port = found;
            if (port.MasterIndex != gateway.Index || port.PortState is { } state && state != Link.PortForwarding)
                return $"{port.Name} does not forward";
        }

        if (port.Kind != "veth")
            return $"{port.Name} is not a veth";
        if (!port.IsUp)
            return $"{port.Name} is down";
        if (port.ParentNetns is null)
            return $"the other end of {port.Name} is on this host itself";
        var inside = linksInside(port);
        var peer = inside.FirstOrDefault(l => l.Index == port.ParentIndex);
        if (peer is null)
            return $"the other end of {port.Name} cannot be looked at";
        if (!peer.IsUp)
            return $"the other end of {port.Name} is down";
        endpoint = new(address, port.Index, port.Name, gateway.Name, gateway.Index, mac, gatewayMac, Math.Min(gateway.Mtu, port.Mtu), inside.Any(PassesOn));
        return null;
    }

    // Tunnels, bridges and the like, or an interface whose packets are routed on.
    private static bool PassesOn(Link inside) => inside is { IsUp: true, IsLoopback: false } && (inside.ForwardsIPv4 || inside.Kind is not (null or "veth"));
}
