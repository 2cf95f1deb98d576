using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// The changes that make addresses, FDB, neighbours and routes of one device equal to what they should be. Pure.
/// Order: a peer is reachable before a route leads to it, and everything new stands before anything old is taken away, so that no
/// packet of an unchanged flow finds a gap.
/// </summary>
public static class RoutingPlan
{
    /// <summary>Computes the changes.</summary>
    /// <param name="device">What should be.</param>
    /// <param name="index">The device's ifindex.</param>
    /// <param name="actual">What is.</param>
    /// <param name="mayPrune">Whether what is there and not wanted may be removed.</param>
    public static IReadOnlyList<KernelChange> Between(OverlayDevice device, int index, KernelState actual, bool mayPrune)
    {
        var changes = new List<KernelChange>();
        var removals = new List<KernelChange>();
        PlanAddresses(device, index, actual, changes, removals);
        PlanFdb(device, index, actual, changes, removals);
        PlanNeighbours(device, index, actual, changes, removals);
        PlanRoutes(device, index, actual, changes, removals);
        if (mayPrune)
            changes.AddRange(removals);
        return changes;
    }

    /// <summary>The route to a peer: <c>ip route replace SUBNET via VTEP dev flannel.N onlink proto 143</c>.</summary>
    public static Route RouteTo(OverlayPeer peer, int index) => new(
        peer.Subnet, peer.Vtep, index, RouteProtocol.Accelerated, OnLink: true,
        Priority: peer.Subnet.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6 ? Route.DefaultPriorityV6 : 0);

    private static void PlanAddresses(OverlayDevice device, int index, KernelState actual, List<KernelChange> changes, List<KernelChange> removals)
    {
        var bits = IPMath.Bits(device.Overlay);
        var found = false;
        foreach (var address in actual.Addresses)
        {
            if (address.Address.Equals(device.Subnet.BaseAddress) && address.PrefixLength == bits)
                found = true;
            else if (!address.Address.IsIPv6LinkLocal)
                removals.Add(new KernelChange(RouteRequest.DeleteAddress(address), null));
        }

        if (!found)
            changes.Add(new KernelChange(RouteRequest.AddAddress(new InterfaceAddress(index, device.Subnet.BaseAddress, bits)), null));
    }

    private static void PlanFdb(OverlayDevice device, int index, KernelState actual, List<KernelChange> changes, List<KernelChange> removals)
    {
        var wanted = device.Peers.ToDictionary(p => p.VtepMac);
        var present = new HashSet<MacAddress>(wanted.Count);
        foreach (var entry in actual.Fdb)
        {
            if (wanted.TryGetValue(entry.Address, out var peer) && peer.Remote.Equals(entry.Destination) && entry.IsPermanent
                && entry.Vni is null && entry.Port is null)
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

    private static void PlanRoutes(OverlayDevice device, int index, KernelState actual, List<KernelChange> changes, List<KernelChange> removals)
    {
        var wanted = device.Peers.ToDictionary(p => p.Subnet, p => RouteTo(p, index));
        var present = actual.DeviceRoutes.Where(r => wanted.GetValueOrDefault(r.Destination) == r).Select(r => r.Destination).ToHashSet();
        // Where ours stands already, or another one was there before, nothing will be replaced: a route prepended to ours would win for ever.
        var replaced = new HashSet<IPNetwork>(present);
        foreach (var route in actual.DeviceRoutes)
        {
            // The kernel's own are the kernel's, and of a multipath route the hops are not known, so that no request can name it.
            var want = wanted.GetValueOrDefault(route.Destination);
            if (route.Protocol == RouteProtocol.Kernel || route == want)
                continue;
            if (want is not null && IsReplacedBy(want, route) && replaced.Add(route.Destination))
                continue;
            if (!route.IsMultipath)
                removals.Add(new KernelChange(RouteRequest.DeleteRoute(route), null));
        }

        foreach (var peer in device.Peers)
        {
            if (!present.Contains(peer.Subnet))
                changes.Add(new KernelChange(RouteRequest.ReplaceRoute(wanted[peer.Subnet]), peer.Key));
        }

        var gateways = device.Peers.Select(p => p.Remote).ToHashSet();
        foreach (var route in actual.OtherRoutes)
        {
            if (route.IsMultipath || !device.Network.Contains(route.Destination) || !IsOurs(route, gateways))
                continue;
            if (!wanted.TryGetValue(route.Destination, out var want) || !IsReplacedBy(want, route) || !replaced.Add(route.Destination))
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
