using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// The changes that make addresses, FDB, neighbours and routes of one overlay equal to what they should be. Pure.
/// Order: a peer is reachable before a route leads to it, and everything new stands before anything old is taken away, so that no
/// packet of an unchanged flow finds a gap.
/// </summary>
public static class RoutingPlan
{
    /// <summary>Computes the changes.</summary>
    /// <param name="overlay">What should be.</param>
    /// <param name="index">The VTEP device's ifindex, or 0 when there is none: then only plain routes are planned.</param>
    /// <param name="actual">What is.</param>
    /// <param name="mayPrune">Whether what is there and not wanted may be removed.</param>
    public static IReadOnlyList<KernelChange> Between(OverlayNetwork overlay, int index, KernelState actual, bool mayPrune)
    {
        var changes = new List<KernelChange>();
        var removals = new List<KernelChange>();
        if (index != 0 && overlay.Device is { } device)
        {
            PlanAddresses(device, index, actual, changes, removals);
            PlanFdb(device, index, actual, changes, removals);
            PlanNeighbours(device, index, actual, changes, removals);
        }

        PlanRoutes(overlay, index, actual, changes, removals);
        if (mayPrune)
            changes.AddRange(removals);
        return changes;
    }

    /// <summary>The route to a peer: <c>ip route replace SUBNET via VTEP dev flannel.N onlink proto 143</c>.</summary>
    public static Route RouteTo(OverlayPeer peer, int index) => new(
        peer.Subnet, peer.Vtep, index, RouteProtocol.Accelerated, OnLink: true,
        Priority: peer.Subnet.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6 ? Route.DefaultPriorityV6 : 0);

    /// <summary>Whether a forwarding entry for the peer's VTEP is as it should be: <c>bridge fdb replace MAC dev flannel.N dst REMOTE self permanent</c>.</summary>
    public static bool IsEntryOf(OverlayPeer peer, FdbEntry entry) =>
        peer.Remote.Equals(entry.Destination) && entry.IsPermanent && entry.Vni is null && entry.Port is null;

    /// <summary>The plain route to a peer: <c>ip route replace SUBNET via PUBLICIP dev UNDERLAY proto 143</c>.</summary>
    public static Route RouteTo(DirectPeer peer, int underlay) => new(
        peer.Subnet, peer.Remote, underlay, RouteProtocol.Accelerated,
        Priority: peer.Subnet.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6 ? Route.DefaultPriorityV6 : 0);

    private static void PlanAddresses(OverlayDevice device, int index, KernelState actual, List<KernelChange> changes, List<KernelChange> removals)
    {
        var bits = IPMath.Bits(device.Overlay);
        var found = false;
        var vteps = device.Peers.Select(p => p.Vtep).ToHashSet();
        var inTheWay = new List<KernelChange>();
        foreach (var address in actual.Addresses)
        {
            if (address.Address.Equals(device.Subnet.BaseAddress) && address.PrefixLength == bits)
                found = true;
            else if (vteps.Contains(address.Address))
                inTheWay.Add(new KernelChange(RouteRequest.DeleteAddress(address), null)); // No route leads by way of an address of one's own.
            else if (!address.Address.IsIPv6LinkLocal)
                removals.Add(new KernelChange(RouteRequest.DeleteAddress(address), null));
        }

        if (!found)
            changes.Add(new KernelChange(RouteRequest.AddAddress(new InterfaceAddress(index, device.Subnet.BaseAddress, bits)), null));
        changes.AddRange(inTheWay);
    }

    private static void PlanFdb(OverlayDevice device, int index, KernelState actual, List<KernelChange> changes, List<KernelChange> removals)
    {
        var wanted = device.Peers.ToDictionary(p => p.VtepMac);
        var present = new HashSet<MacAddress>(wanted.Count);
        foreach (var entry in actual.Fdb)
        {
            if (wanted.TryGetValue(entry.Address, out var peer) && IsEntryOf(peer, entry))
            {
                present.Add(entry.Address);
            }
            else if (!wanted.ContainsKey(entry.Address) && !IsLearned(device, entry))
            {
                removals.Add(new KernelChange(RouteRequest.DeleteFdb(entry), null));
            }
        }

        foreach (var peer in device.Peers)
        {
            if (!present.Contains(peer.VtepMac))
                changes.Add(new KernelChange(RouteRequest.ReplaceFdb(new FdbEntry(index, peer.VtepMac, peer.Remote)), peer.Key));
        }
    }

    private static void PlanNeighbours(OverlayDevice device, int index, KernelState actual, List<KernelChange> changes, List<KernelChange> removals)
    {
        var wanted = device.Peers.ToDictionary(p => p.Vtep);
        var present = new HashSet<IPAddress>(wanted.Count);
        foreach (var neighbour in actual.Neighbours)
        {
            if (wanted.TryGetValue(neighbour.Address, out var peer) && neighbour.IsPermanent && neighbour.LinkAddress == peer.VtepMac)
                present.Add(neighbour.Address);
            else if (neighbour.IsPermanent && !wanted.ContainsKey(neighbour.Address))
                removals.Add(new KernelChange(RouteRequest.DeleteNeighbour(neighbour), null));
        }

        foreach (var peer in device.Peers)
        {
            if (!present.Contains(peer.Vtep))
                changes.Add(new KernelChange(RouteRequest.ReplaceNeighbour(new Neighbour(index, peer.Vtep, peer.VtepMac)), peer.Key));
        }
    }

    private static void PlanRoutes(OverlayNetwork overlay, int index, KernelState actual, List<KernelChange> changes, List<KernelChange> removals)
    {
        var tunnelled = index == 0 ? [] : overlay.Device?.Peers ?? [];
        var routes = tunnelled.Select(p => (p.Key, Route: RouteTo(p, index)))
            .Concat(overlay.Direct.Select(p => (p.Key, Route: RouteTo(p, overlay.UnderlayIndex))))
            .ToList();
        var wanted = routes.ToDictionary(r => r.Route.Destination, r => r.Route);
        var present = actual.DeviceRoutes.Concat(actual.OtherRoutes).Where(r => wanted.GetValueOrDefault(r.Destination) == r).Select(r => r.Destination).ToHashSet();
        // Where ours stands already, or another one was there before, nothing will be replaced: a route prepended to ours would win for ever.
        var replaced = new HashSet<IPNetwork>(present);
        foreach (var route in actual.DeviceRoutes)
        {
            // The kernel's own are the kernel's, and of a multipath route the hops are not known, so that no request can name it.
            if (route.Protocol != RouteProtocol.Kernel)
                Retire(route);
        }

        foreach (var (key, route) in routes)
        {
            if (!present.Contains(route.Destination))
                changes.Add(new KernelChange(RouteRequest.ReplaceRoute(route), key));
        }

        var gateways = (overlay.Device?.Peers ?? []).Select(p => p.Remote).Concat(overlay.Direct.Select(p => p.Remote)).ToHashSet();
        foreach (var route in actual.OtherRoutes)
        {
            if (overlay.Network.Contains(route.Destination) && IsOurs(route, gateways))
                Retire(route);
        }

        void Retire(Route route)
        {
            var want = wanted.GetValueOrDefault(route.Destination);
            if (route == want || (want is not null && IsReplacedBy(want, route) && replaced.Add(route.Destination)) || route.IsMultipath)
                return;
            removals.Add(new KernelChange(RouteRequest.DeleteRoute(route), null));
        }
    }

    /// <summary>
    /// Elsewhere than on the device only this is ours: a route with our protocol, or what flannel leaves behind
    /// (a route by way of a leased PublicIP).
    /// </summary>
    private static bool IsOurs(Route route, HashSet<IPAddress> leasedPublicIPs) =>
        route.Protocol == RouteProtocol.Accelerated
        || (route.Protocol is RouteProtocol.Boot or RouteProtocol.Static && route.Gateway is { } gateway && leasedPublicIPs.Contains(gateway));

    /// <summary>Whether adding <paramref name="want"/> with NLM_F_REPLACE takes the place of <paramref name="old"/> (same destination, metric and table).</summary>
    private static bool IsReplacedBy(Route want, Route old) =>
        want.Destination.Equals(old.Destination) && want.Priority == old.Priority && want.Table == old.Table;

    private static bool IsLearned(OverlayDevice device, FdbEntry entry) => device.Learning && !entry.IsPermanent;
}
