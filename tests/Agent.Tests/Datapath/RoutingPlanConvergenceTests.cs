using System.Net;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Datapath;

/// <summary>From any kernel state and by way of any sequence of desired states to the state that a fresh start gives.</summary>
public sealed class RoutingPlanConvergenceTests
{
    private const int Device = KernelModel.Device;
    private const int Underlay = KernelModel.Underlay;
    private const int Elsewhere = 9;

    [Fact]
    public void Between_FromAnyStateThroughAnySequence_EndsWhereAFreshStartDoes() => Rounds.Run(3_000, random =>
    {
        var kernel = new KernelModel();
        Litter(kernel, random, withTwins: random.Percent(30));
        var overlay = Overlay.Network(Overlay.Device());
        for (var step = random.Next(1, 6); step > 0; step--)
        {
            overlay = RandomOverlay(random);
            Pass(kernel, overlay, mayPrune: random.Percent(60));
            if (random.Percent(40))
                Damage(kernel, random);
        }

        Reach(kernel, overlay);

        var fresh = new KernelModel();
        Reach(fresh, overlay);
        Assert.Equal(OursInWords(fresh, overlay), OursInWords(kernel, overlay));
    });

    [Fact]
    public void Between_FromAStateWithoutTwins_IsDoneInOnePass() => Rounds.Run(3_000, random =>
    {
        var kernel = new KernelModel();
        Litter(kernel, random, withTwins: false);
        var overlay = RandomOverlay(random);

        kernel.Execute(kernel.Plan(overlay, mayPrune: true));

        Assert.Empty(kernel.Plan(overlay, mayPrune: true).Select(c => c.ToString()));
    });

    /// <summary>One pass with everything that must hold for every pass.</summary>
    private static bool Pass(KernelModel kernel, OverlayNetwork overlay, bool mayPrune)
    {
        var before = kernel.Routes.ToList();
        var plan = kernel.Plan(overlay, mayPrune);
        var removals = plan.SkipWhile(c => !IsRemoval(c)).ToList();
        Assert.All(removals, c => Assert.True(IsRemoval(c), $"{c} comes after {removals[0]}"));
        Assert.True(mayPrune || removals.Count == 0, "nothing may be removed yet");
        Assert.All(plan, c => Assert.True(!IsRemoval(c) || c.Peer is null));

        kernel.Execute(plan);

        // Foreign routes survive, unless one of ours has taken the very place.
        foreach (var route in before.Where(r => !IsOurs(r, overlay)))
        {
            Assert.True(
                kernel.Routes.Contains(route) || RoutesOf(overlay).Any(w => w.Destination.Equals(route.Destination) && route.Priority == 0),
                $"{route} is not ours and was removed");
        }

        Assert.All(RoutesOf(overlay), r => Assert.Contains(r, kernel.Routes));
        return plan.Count > 0;
    }

    private static IEnumerable<Route> RoutesOf(OverlayNetwork overlay) =>
        overlay.Device!.Peers.Select(p => RoutingPlan.RouteTo(p, Device)).Concat(overlay.Direct.Select(p => RoutingPlan.RouteTo(p, Underlay)));

    /// <summary>
    /// As many passes as it takes. Twins (routes of one destination and metric) may need a second one, because the order of routes
    /// that are read by different filters is not known; more would be a quarrel with itself.
    /// </summary>
    private static void Reach(KernelModel kernel, OverlayNetwork overlay)
    {
        var passes = 0;
        while (Pass(kernel, overlay, mayPrune: true))
            Assert.True(++passes <= 2, $"still not settled: {string.Join("; ", kernel.Plan(overlay, true))}");
    }

    private static bool IsRemoval(KernelChange change) => change.Request.Type is Rtnl.RTM_DELADDR or Rtnl.RTM_DELROUTE or Rtnl.RTM_DELNEIGH;

    /// <summary>The rule of ownership, written down a second time.</summary>
    private static bool IsOurs(Route route, OverlayNetwork overlay)
    {
        if (route.Table != RouteTable.Main || route.IsMultipath)
            return false;
        if (route.InterfaceIndex == Device)
            return route.Protocol != RouteProtocol.Kernel;
        var inside = overlay.Network.Contains(route.Destination.BaseAddress) && route.Destination.PrefixLength >= overlay.Network.PrefixLength;
        var leftover = route.InterfaceIndex == Underlay && route.Protocol is RouteProtocol.Boot or RouteProtocol.Static
            && overlay.Device!.Peers.Select(p => p.Remote).Concat(overlay.Direct.Select(p => p.Remote)).Contains(route.Gateway);
        return inside && (route.Protocol == RouteProtocol.Accelerated || leftover);
    }

    private static string OursInWords(KernelModel kernel, OverlayNetwork overlay) => string.Join('\n', Enumerable.Empty<string>()
        .Concat(kernel.Addresses.Select(a => $"address {a.Address}/{a.PrefixLength}"))
        .Concat(kernel.Routes.Where(r => IsOurs(r, overlay)).Select(r => r.ToString()))
        .Concat(kernel.Neighbours.Where(n => n.IsPermanent).Select(n => n.ToString()))
        .Concat(kernel.Fdb.Where(e => e.IsPermanent || !overlay.Device!.Learning).Select(e => e.ToString()))
        .Order(StringComparer.Ordinal));

    private static OverlayNetwork RandomOverlay(Random random)
    {
        var peers = new List<OverlayPeer>();
        var direct = new List<DirectPeer>();
        for (var number = 2; number < 9; number++)
        {
            if (random.Percent(20))
                direct.Add(Overlay.Direct(number, host: random.Percent(80) ? number : number + 50));
            else if (random.Percent(60))
                peers.Add(Overlay.Peer(number, host: random.Percent(80) ? number : number + 50, mac: random.Percent(80) ? number : number + 50));
        }

        var device = Overlay.Device([.. peers]) with
        {
            Learning = random.Percent(20),
            Subnet = IPNetwork.Parse(random.Percent(80) ? "10.5.1.0/24" : "10.5.9.0/24"),
        };
        return Overlay.Network(device, [.. direct]);
    }

    /// <summary>What an operator, another daemon or an earlier version might have left, next to what looks like ours.</summary>
    private static void Litter(KernelModel kernel, Random random, bool withTwins)
    {
        for (var count = random.Next(6); count > 0; count--)
        {
            kernel.Add(new InterfaceAddress(
                Device, IPAddress.Parse(random.Pick(["10.5.1.0", "10.5.9.0", "10.5.9.7", "10.5.9.8", "172.16.0.1"])), random.Pick([32, 24, 31])));
        }

        for (var count = random.Next(16); count > 0; count--)
        {
            var route = RandomRoute(random);
            var hasTwin = kernel.Routes.Any(r => r.Destination.Equals(route.Destination) && r.Priority == route.Priority && r.Table == route.Table);
            if ((withTwins || !hasTwin) && !kernel.Routes.Contains(route))
                kernel.Routes.Insert(random.Next(kernel.Routes.Count + 1), route);
        }

        for (var count = random.Next(8); count > 0; count--)
        {
            var address = RandomAddress(random);
            if (kernel.Neighbours.All(n => !n.Address.Equals(address)))
            {
                kernel.Neighbours.Add(new Neighbour(
                    Device, address, Overlay.Mac(random.Next(2, 12)),
                    random.Pick([NeighbourState.Permanent, NeighbourState.Permanent, NeighbourState.Stale, NeighbourState.Failed])));
            }
        }

        for (var count = random.Next(8); count > 0; count--)
        {
            var entry = new FdbEntry(
                Device, Overlay.Mac(random.Next(2, 12)), IPAddress.Parse($"192.0.2.{random.Next(2, 12)}"),
                random.Pick([NeighbourState.Permanent, NeighbourState.Permanent, NeighbourState.Reachable, NeighbourState.NoArp]),
                Port: random.Percent(10) ? 4789 : null, Vni: random.Percent(10) ? 9 : null);
            if (random.Percent(10))
                entry = entry with { Address = default, State = NeighbourState.Permanent }; // Its remotes have one state in common.
            if (kernel.Fdb.All(e => e.Address != entry.Address || (entry.Address.IsZero && e != entry)))
                kernel.Fdb.Add(entry);
        }
    }

    private static IPAddress RandomAddress(Random random) => IPAddress.Parse($"10.5.{random.Next(2, 12)}.0");

    private static Route RandomRoute(Random random)
    {
        var network = random.Pick([$"10.5.{random.Next(2, 12)}.0/24", $"10.5.{random.Next(2, 12)}.128/25", "10.5.0.0/16", "10.6.0.0/16", "0.0.0.0/0"]);
        var gateway = random.Pick([network.Split('/')[0], $"192.0.2.{random.Next(2, 12)}", null]);
        var index = random.Pick([Device, Device, Underlay, Underlay, Elsewhere]);
        var protocol = random.Pick([RouteProtocol.Accelerated, RouteProtocol.Boot, RouteProtocol.Static, RouteProtocol.Kernel, (byte)186]);
        if (random.Percent(5))
            return new Route(IPNetwork.Parse(network), null, 0, protocol, IsMultipath: true);
        return new Route(
            IPNetwork.Parse(network), gateway is null or "0.0.0.0" ? null : IPAddress.Parse(gateway), index, protocol,
            gateway is null ? RouteScope.Link : RouteScope.Universe, random.Percent(5) ? 100u : RouteTable.Main,
            OnLink: gateway is not null && (index == Device || random.Percent(60)), Priority: random.Percent(75) ? 0u : 100u);
    }

    /// <summary>Something of ours is deleted or changed from outside.</summary>
    private static void Damage(KernelModel kernel, Random random)
    {
        for (var count = random.Next(1, 5); count > 0; count--)
        {
            switch (random.Next(6))
            {
                case 0 when kernel.Routes.Count > 0:
                    kernel.Routes.RemoveAt(random.Next(kernel.Routes.Count));
                    break;
                case 1 when kernel.Neighbours.Count > 0:
                    kernel.Neighbours.RemoveAt(random.Next(kernel.Neighbours.Count));
                    break;
                case 2 when kernel.Fdb.Count > 0:
                    kernel.Fdb.RemoveAt(random.Next(kernel.Fdb.Count));
                    break;
                case 3 when kernel.Fdb.Count > 0:
                    var at = random.Next(kernel.Fdb.Count);
                    kernel.Fdb[at] = kernel.Fdb[at] with { Destination = IPAddress.Parse("192.0.2.200") };
                    break;
                case 4:
                    kernel.Addresses.Clear();
                    break;
                default:
                    Litter(kernel, random, withTwins: false);
                    break;
            }
        }
    }
}
