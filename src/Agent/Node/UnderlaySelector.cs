using System.Collections.Frozen;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Node;

/// <summary>
/// Chooses the interface that carries the underlay as flannel does: each <c>--iface</c>, each <c>--iface-regex</c>, then
/// <c>--iface-can-reach</c>, first hit wins; none given: the interface that has <c>--public-ip</c>, else the default route's.
/// </summary>
public static class UnderlaySelector
{
    /// <summary>What leads to other hosts. Bridges lead to containers; what belongs to a bridge or bond has its traffic arrive there.</summary>
    private static readonly FrozenSet<string?> KindsToOtherHosts =
        new string?[] { null, "veth", "vlan", "bond", "team", "macvlan", "ipvlan" }.ToFrozenSet();

    /// <summary>The expression of an <c>--iface-regex</c>. As in Go its time grows with the text alone, so none can hold up the agent.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    /// <exception cref="NotSupportedException">It looks around or refers back, which Go's do not either.</exception>
    public static Regex Pattern(string pattern) => new(pattern, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);

    /// <summary>Looks at the kernel and chooses.</summary>
    /// <exception cref="UnderlayException">Nothing fits; the message says which flag, what there is and what to do.</exception>
    public static NodeFacts Select(UnderlayOptions options, RouteSocket routes) => Look(options, routes).Node;

    /// <summary>As <see cref="Select"/>, with the other interfaces by which VXLAN may come in, in the kernel's order.</summary>
    /// <exception cref="UnderlayException">Nothing fits; the message says which flag, what there is and what to do.</exception>
    public static (NodeFacts Node, IReadOnlyList<OtherInterface> Others) Look(UnderlayOptions options, RouteSocket routes)
    {
        var links = routes.GetLinks();
        var addresses = routes.GetAddresses(AddressFamily.InterNetwork);
        var (link, address) = Choose(options, routes, links, addresses);
        var node = new NodeFacts(link.Name, link.Index, link.Address, link.Mtu, address.Address, address.PrefixLength, null, link.IsUp, ReadOnLink(link, routes), ReadForwarding());
        var others = links
            .Where(l => l != link && l.IsUp && !l.IsLoopback && l.MasterIndex == 0 && KindsToOtherHosts.Contains(l.Kind))
            .Select(l => (l.Name, addresses.FirstOrDefault(a => a.InterfaceIndex == l.Index && a.Scope == RouteScope.Universe)?.Address));
        return (node, [.. others.Where(o => o.Address is not null).Select(o => new OtherInterface(o.Name, o.Address!))]);
    }

    private static (Link Link, InterfaceAddress Address) Choose(
        UnderlayOptions options, RouteSocket routes, IReadOnlyList<Link> links, IReadOnlyList<InterfaceAddress> addresses)
    {
        var misses = new List<string>();
        foreach (var wanted in options.Interfaces)
        {
            if (Usable(ByNameOrAddress(wanted, links, addresses), $"--iface={wanted}", "no interface has this name or address") is { } hit)
                return hit;
        }

        foreach (var pattern in options.Patterns)
        {
            if (Usable(ByPattern(pattern, links, addresses), $"--iface-regex={pattern}", "matches no interface address and no name") is { } hit)
                return hit;
        }

        if (options.CanReach is { } target)
        {
            var route = routes.LookUpRoute(target);
            var link = links.FirstOrDefault(l => l.Index == route?.InterfaceIndex);
            if (Usable(link is null ? null : (link, Address(link, route!.PreferredSource, addresses)), $"--iface-can-reach={target}", "there is no route to it") is { } hit)
                return hit;
        }

        return misses.Count > 0
            ? throw new UnderlayException($"{string.Join("; ", misses)}. {Inventory(links, addresses)}")
            : ByDefault(options, routes, links, addresses);

        // An interface that is there and cannot be used is passed over like one that is not: the next flag may name a better one.
        (Link Link, InterfaceAddress Address)? Usable((Link Link, InterfaceAddress? Address)? found, string flag, string otherwise)
        {
            if (found is not { } hit)
                misses.Add($"{flag}: {otherwise}");
            else if ((hit.Address ?? Address(hit.Link, null, addresses)) is not { } address)
                misses.Add($"{flag}: {hit.Link.Name} has no usable IPv4 address");
            else if (IPAddress.IsLoopback(address.Address))
                misses.Add($"{flag}: {address.Address} is this host's own for itself, and nobody else reaches it");
            else
                return (hit.Link, address);
            return null;
        }
    }

    private static (Link Link, InterfaceAddress Address) ByDefault(
        UnderlayOptions options, RouteSocket routes, IReadOnlyList<Link> links, IReadOnlyList<InterfaceAddress> addresses)
    {
        if (options.PublicIP is { } publicIP && ByNameOrAddress(publicIP.ToString(), links, addresses) is { Address: { } local } owner)
            return (owner.Link, local);
        var route = routes.GetRoutes(new RouteFilter(AddressFamily.InterNetwork))
            .Where(r => r.Destination.PrefixLength == 0 && r.Type == RouteType.Unicast && r.InterfaceIndex > 0)
            .OrderBy(r => r.Priority)
            .FirstOrDefault();
        if (route is null || links.FirstOrDefault(l => l.Index == route.InterfaceIndex) is not { } link)
            throw new UnderlayException($"--iface is not given and there is no IPv4 default route to go by. {Inventory(links, addresses)} with --iface");
        return Address(link, route.PreferredSource, addresses) is { } address
            ? (link, address)
            : throw new UnderlayException($"--iface is not given, and {link.Name}, by which the default route leads, has no usable IPv4 address. {Inventory(links, addresses)} with --iface");
    }

    private static (Link Link, InterfaceAddress? Address)? ByNameOrAddress(
        string wanted, IReadOnlyList<Link> links, IReadOnlyList<InterfaceAddress> addresses)
    {
        if (IPMath.TryParse(wanted, AddressFamily.InterNetwork, out var ip) || IPMath.TryParse(wanted, AddressFamily.InterNetworkV6, out ip))
        {
            var address = addresses.FirstOrDefault(a => a.Address.Equals(ip));
            return address is null || links.FirstOrDefault(l => l.Index == address.InterfaceIndex) is not { } owner ? null : (owner, address);
        }

        return links.FirstOrDefault(l => l.Name == wanted) is { } link ? (link, null) : null;
    }

    private static (Link Link, InterfaceAddress? Address)? ByPattern(
        string pattern, IReadOnlyList<Link> links, IReadOnlyList<InterfaceAddress> addresses)
    {
        var regex = Pattern(pattern);
        foreach (var link in links)
        {
            if (Usable(link, addresses).FirstOrDefault(a => regex.IsMatch(a.Address.ToString())) is { } address)
                return (link, address);
        }

        var named = links.Where(l => regex.IsMatch(l.Name)).OrderBy(l => Usable(l, addresses).Any() ? 0 : 1).FirstOrDefault();
        return named is null ? null : (named, null);
    }

    private static InterfaceAddress? Address(Link link, IPAddress? preferred, IReadOnlyList<InterfaceAddress> addresses)
    {
        var usable = Usable(link, addresses).ToList();
        return usable.FirstOrDefault(a => a.Address.Equals(preferred)) ?? usable.FirstOrDefault();
    }

    /// <summary>
    /// The addresses of an interface that may be the underlay's, the best first: global before narrower scopes, permanent before leased ones.
    /// What is being phased out is only used if asked for by name.
    /// </summary>
    private static IEnumerable<InterfaceAddress> Usable(Link link, IReadOnlyList<InterfaceAddress> addresses) => addresses
        .Where(a => a.InterfaceIndex == link.Index && !a.IsDeprecated && !a.IsTemporary && !IPAddress.IsLoopback(a.Address))
        .OrderBy(a => a.Scope).ThenBy(a => a.IsPermanent ? 0 : 1);

    /// <summary>What there is to choose from, the likelier first, as a sentence that ends with what to do. Tunnels are no underlay.</summary>
    private static string Inventory(IReadOnlyList<Link> links, IReadOnlyList<InterfaceAddress> addresses)
    {
        var usable = links
            .Where(l => l.Kind != "vxlan")
            .OrderBy(l => KindsToOtherHosts.Contains(l.Kind) ? 0 : 1)
            .Select(l => (l.Name, Addresses: addresses.Where(a => a.InterfaceIndex == l.Index && !IPAddress.IsLoopback(a.Address)).ToList()))
            .Where(l => l.Addresses.Count > 0)
            .Select(l => $"{l.Name} ({string.Join(", ", l.Addresses.Select(a => a.Address))})")
            .Take(20)
            .ToList();
        return usable.Count == 0
            ? "This host has no interface with an IPv4 address: give one to the interface that leads to the other hosts, and name it"
            : $"This host has {string.Join(", ", usable)}: name one of these";
    }

    private static OnLinkPrefixes ReadOnLink(Link link, RouteSocket routes) => OnLinkPrefixes.From(routes
        .GetRoutes(new RouteFilter(AddressFamily.InterNetwork, InterfaceIndex: link.Index))
        .Where(r => r is { Type: RouteType.Unicast, IsMultipath: false } && r.Protocol != RouteProtocol.Accelerated)
        .Select(r => (r.Destination, r.Gateway is null)));

    private static bool ReadForwarding()
    {
        try
        {
            return File.ReadAllText("/proc/sys/net/ipv4/ip_forward").AsSpan().Trim() is not "0";
        }
        catch (IOException)
        {
            // Not readable: nothing to warn about is better than a false alarm.
            return true;
        }
    }
}
