using System.Net;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Datapath;

public sealed class RoutingPlanTests
{
    private const int Device = KernelModel.Device;
    private const int Underlay = KernelModel.Underlay;
    private static readonly IPAddress Peer2 = IPAddress.Parse("192.0.2.2");

    [Fact]
    public void Between_OnAnEmptyKernel_MakesAPeerReachableBeforeItsRoute()
    {
        var plan = new KernelModel().Plan(Overlay.Device(Overlay.Peer(2), Overlay.Peer(3, subnet: "10.5.16.0/20")), mayPrune: true);

        Assert.Equal(
            [
                "- add address 10.5.1.0/32 dev #5",
                "10.5.2.0-24 replace fdb 02:00:00:00:00:02 dst 192.0.2.2 dev #5",
                "10.5.16.0-20 replace fdb 02:00:00:00:00:03 dst 192.0.2.3 dev #5",
                "10.5.2.0-24 replace neighbour 10.5.2.0 lladdr 02:00:00:00:00:02 dev #5",
                "10.5.16.0-20 replace neighbour 10.5.16.0 lladdr 02:00:00:00:00:03 dev #5",
                "10.5.2.0-24 replace route 10.5.2.0/24 via 10.5.2.0 dev #5 proto 143 onlink",
                "10.5.16.0-20 replace route 10.5.16.0/20 via 10.5.16.0 dev #5 proto 143 onlink",
            ],
            InWords(plan));
    }

    [Fact]
    public void Between_ForIPv6_WritesTheSameWithIPv6sMetric()
    {
        var peer = Overlay.Peer(2, subnet: "fd00:42:0:2::/64") with { Remote = IPAddress.Parse("2001:db8::2") };
        var device = Overlay.DeviceV6(peer);

        Assert.Equal(
            [
                "- add address fd00:42:0:1::/128 dev #5",
                "fd00:42:0:2::-64 replace fdb 02:00:00:00:00:02 dst 2001:db8::2 dev #5",
                "fd00:42:0:2::-64 replace neighbour fd00:42:0:2:: lladdr 02:00:00:00:00:02 dev #5",
                "fd00:42:0:2::-64 replace route fd00:42:0:2::/64 via fd00:42:0:2:: dev #5 metric 1024 proto 143 onlink",
            ],
            InWords(new KernelModel().Plan(device, true)));

        // As the kernel tells it afterwards: with the link-local address and the multicast route it makes itself.
        var actual = new KernelState(
            [new InterfaceAddress(Device, IPAddress.Parse("fd00:42:0:1::"), 128), new InterfaceAddress(Device, IPAddress.Parse("fe80::1"), 64, RouteScope.Link)],
            [
                RoutingPlan.RouteTo(peer, Device),
                new Route(IPNetwork.Parse("fe80::/64"), null, Device, RouteProtocol.Kernel, Priority: 256),
            ],
            [], [new Neighbour(Device, peer.Vtep, peer.VtepMac)], [new FdbEntry(Device, peer.VtepMac, peer.Remote)]);
        Assert.Empty(RoutingPlan.Between(Overlay.Network(device), Device, actual, true));
    }

    [Fact]
    public void Between_OnWhatFlannelLeft_TakesItOver()
    {
        var kernel = new KernelModel();
        kernel.Add(new InterfaceAddress(Device, IPAddress.Parse("10.5.1.0"), 32));
        kernel.Fdb.Add(new FdbEntry(Device, Overlay.Mac(2), Peer2));
        kernel.Neighbours.Add(new Neighbour(Device, IPAddress.Parse("10.5.2.0"), Overlay.Mac(2)));
        kernel.Append(new Route(IPNetwork.Parse("10.5.2.0/24"), IPAddress.Parse("10.5.2.0"), Device, RouteProtocol.Boot, OnLink: true));
        kernel.Append(new Route(IPNetwork.Parse("10.5.3.0/24"), IPAddress.Parse("192.0.2.3"), Underlay, RouteProtocol.Boot)); // DirectRouting or host-gw.
        kernel.Append(new Route(IPNetwork.Parse("10.5.9.0/24"), IPAddress.Parse("192.0.2.3"), Underlay, RouteProtocol.Boot)); // The same, stale.
        kernel.Append(new Route(IPNetwork.Parse("192.0.2.0/24"), null, Underlay, RouteProtocol.Kernel, RouteScope.Link));

        // One request for each route that there is already: it is replaced in place, so no packet finds a gap.
        Assert.Equal(
            [
                "10.5.3.0-24 replace fdb 02:00:00:00:00:03 dst 192.0.2.3 dev #5",
                "10.5.3.0-24 replace neighbour 10.5.3.0 lladdr 02:00:00:00:00:03 dev #5",
                "10.5.2.0-24 replace route 10.5.2.0/24 via 10.5.2.0 dev #5 proto 143 onlink",
                "10.5.3.0-24 replace route 10.5.3.0/24 via 10.5.3.0 dev #5 proto 143 onlink",
                "- delete route 10.5.9.0/24 via 192.0.2.3 dev #2 proto 3",
            ],
            InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2), Overlay.Peer(3)))));
    }

    [Fact]
    public void Between_WhenAPeerLeaves_RemovesAllOfItAndOnlyThen()
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device(Overlay.Peer(2), Overlay.Peer(3)));

        Assert.Empty(kernel.Plan(Overlay.Device(Overlay.Peer(3)), mayPrune: false));
        Assert.Equal(
            [
                "- delete fdb 02:00:00:00:00:02 dst 192.0.2.2 dev #5",
                "- delete neighbour 10.5.2.0 lladdr 02:00:00:00:00:02 dev #5",
                "- delete route 10.5.2.0/24 via 10.5.2.0 dev #5 proto 143 onlink",
            ],
            InWords(Settle(kernel, Overlay.Device(Overlay.Peer(3)))));
    }

    [Fact]
    public void Between_WhenAPeerMovesOrChangesItsMac_ReplacesInPlace()
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device(Overlay.Peer(2)));

        Assert.Equal(["10.5.2.0-24 replace fdb 02:00:00:00:00:02 dst 192.0.2.77 dev #5"],
            InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2, host: 77)))));
        Assert.Equal(
            [
                "10.5.2.0-24 replace fdb 02:00:00:00:00:09 dst 192.0.2.77 dev #5",
                "10.5.2.0-24 replace neighbour 10.5.2.0 lladdr 02:00:00:00:00:09 dev #5",
                "- delete fdb 02:00:00:00:00:02 dst 192.0.2.77 dev #5",
            ],
            InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2, host: 77, mac: 9)))));
    }

    [Fact]
    public void Between_WhenTheOwnSubnetChanges_AddsTheNewAddressFirst()
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device());

        Assert.Equal(["- add address 10.5.7.0/32 dev #5", "- delete address 10.5.1.0/32 dev #5"],
            InWords(Settle(kernel, Overlay.Device() with { Subnet = IPNetwork.Parse("10.5.7.0/24") })));
    }

    // The kernel takes no route by way of an address of its own.
    [Fact]
    public void Between_WhenAPeerGetsTheOwnSubnet_TakesTheAddressAwayBeforeItsRoute()
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device() with { Subnet = IPNetwork.Parse("10.5.2.0/24") });

        Assert.Equal(
            [
                "- add address 10.5.1.0/32 dev #5",
                "- delete address 10.5.2.0/32 dev #5",
                "10.5.2.0-24 replace fdb 02:00:00:00:00:02 dst 192.0.2.2 dev #5",
                "10.5.2.0-24 replace neighbour 10.5.2.0 lladdr 02:00:00:00:00:02 dev #5",
                "10.5.2.0-24 replace route 10.5.2.0/24 via 10.5.2.0 dev #5 proto 143 onlink",
            ],
            InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2)))));
    }

    // Everything on the device is ours.
    [Fact]
    public void Between_WithForeignThingsOnTheDevice_RemovesThem()
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device(Overlay.Peer(2)));
        kernel.Add(new InterfaceAddress(Device, IPAddress.Parse("172.16.0.1"), 24));
        kernel.Add(new InterfaceAddress(Device, IPAddress.Parse("10.5.1.0"), 24));
        kernel.Fdb.Add(new FdbEntry(Device, Overlay.Mac(99), Peer2));
        kernel.Fdb.Add(new FdbEntry(Device, default, Peer2));
        kernel.Fdb.Add(new FdbEntry(Device, default, IPAddress.Parse("192.0.2.3")));
        kernel.Neighbours.Add(new Neighbour(Device, IPAddress.Parse("10.5.99.0"), Overlay.Mac(99)));
        kernel.Append(new Route(IPNetwork.Parse("172.16.0.0/16"), null, Device, RouteProtocol.Boot, RouteScope.Link));
        kernel.Append(new Route(IPNetwork.Parse("10.5.2.0/24"), IPAddress.Parse("10.5.2.0"), Device, RouteProtocol.Boot, OnLink: true, Priority: 50));

        Assert.Equal(
            [
                "- delete address 172.16.0.1/24 dev #5",
                "- delete address 10.5.1.0/24 dev #5",
                "- delete fdb 02:00:00:00:00:63 dst 192.0.2.2 dev #5",
                "- delete fdb 00:00:00:00:00:00 dst 192.0.2.2 dev #5",
                "- delete fdb 00:00:00:00:00:00 dst 192.0.2.3 dev #5",
                "- delete neighbour 10.5.99.0 lladdr 02:00:00:00:00:63 dev #5",
                "- delete route 172.16.0.0/16 dev #5 proto 3",
                "- delete route 10.5.2.0/24 via 10.5.2.0 dev #5 metric 50 proto 3 onlink",
            ],
            InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2)))));
    }

    [Fact]
    public void Between_WithWhatTheKernelMakesItself_LeavesItAlone()
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device(Overlay.Peer(2)));
        kernel.Neighbours.Add(new Neighbour(Device, IPAddress.Parse("10.5.9.9"), null, NeighbourState.Failed));
        kernel.Neighbours.Add(new Neighbour(Device, IPAddress.Parse("224.0.0.22"), Overlay.Mac(0x16), NeighbourState.NoArp));
        kernel.Append(new Route(IPNetwork.Parse("10.5.1.0/24"), null, Device, RouteProtocol.Kernel, RouteScope.Link));

        Assert.Empty(kernel.Plan(Overlay.Device(Overlay.Peer(2)), true));
    }

    [Fact]
    public void Between_WithLearntEntries_LeavesThemToALearningDevice()
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device());
        kernel.Fdb.Add(new FdbEntry(Device, Overlay.Mac(99), Peer2, NeighbourState.Reachable));

        Assert.Empty(kernel.Plan(Overlay.Device() with { Learning = true }, true));
        Assert.Equal(["- delete fdb 02:00:00:00:00:63 dst 192.0.2.2 dev #5"], InWords(kernel.Plan(Overlay.Device(), true)));
    }

    [Theory]
    [InlineData(NeighbourState.Reachable)]
    [InlineData(NeighbourState.NoArp)]
    public void Between_WithAnFdbEntryThatExpires_MakesItPermanent(ushort state)
    {
        var kernel = new KernelModel();
        Settle(kernel, Overlay.Device(Overlay.Peer(2)));
        kernel.Fdb[0] = kernel.Fdb[0] with { State = state };

        Assert.Equal(["10.5.2.0-24 replace fdb 02:00:00:00:00:02 dst 192.0.2.2 dev #5"], InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2)))));
    }

    [Fact]
    public void Between_WithAnFdbEntryOfAnotherPortOrVni_ReplacesIt()
    {
        foreach (var wrong in new[] { new FdbEntry(Device, Overlay.Mac(2), Peer2, Port: 4789), new FdbEntry(Device, Overlay.Mac(2), Peer2, Vni: 9) })
        {
            var kernel = new KernelModel();
            Settle(kernel, Overlay.Device(Overlay.Peer(2)));
            kernel.Fdb[0] = wrong;

            Assert.Equal(["10.5.2.0-24 replace fdb 02:00:00:00:00:02 dst 192.0.2.2 dev #5"], InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2)))));
        }
    }

    // "ip route prepend" puts a route before ours, and packets follow the first.
    [Fact]
    public void Between_WithARouteOnTheDeviceBesideOurs_RemovesIt()
    {
        var stray = new Route(IPNetwork.Parse("10.5.2.0/24"), IPAddress.Parse("10.5.99.0"), Device, RouteProtocol.Boot, OnLink: true);
        foreach (var first in new[] { true, false })
        {
            var kernel = new KernelModel();
            Settle(kernel, Overlay.Device(Overlay.Peer(2)));
            kernel.Routes.Insert(first ? 0 : 1, stray);

            Assert.Equal(["- delete route 10.5.2.0/24 via 10.5.99.0 dev #5 proto 3 onlink"], InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2)))));
            Assert.Equal([RoutingPlan.RouteTo(Overlay.Peer(2), Device)], kernel.Routes);
        }
    }

    [Fact]
    public void Between_WithALeftoverBesideOurs_RemovesIt()
    {
        var leftover = new Route(IPNetwork.Parse("10.5.2.0/24"), Peer2, Underlay, RouteProtocol.Boot);
        foreach (var first in new[] { true, false })
        {
            var kernel = new KernelModel();
            Settle(kernel, Overlay.Device(Overlay.Peer(2)));
            kernel.Routes.Insert(first ? 0 : 1, leftover);

            Assert.Equal(["- delete route 10.5.2.0/24 via 192.0.2.2 dev #2 proto 3"], InWords(Settle(kernel, Overlay.Device(Overlay.Peer(2)))));
            Assert.Equal([RoutingPlan.RouteTo(Overlay.Peer(2), Device)], kernel.Routes);
        }
    }

    // A multipath route is read without its hops and cannot be named in a request.
    [Fact]
    public void Between_WithMultipathRoutes_LeavesThemAloneUnlessReplaced()
    {
        var kernel = new KernelModel();
        kernel.Append(new Route(IPNetwork.Parse("10.9.0.0/16"), null, 0, RouteProtocol.Boot, IsMultipath: true));
        kernel.Append(new Route(IPNetwork.Parse("10.5.9.0/24"), null, 0, RouteProtocol.Accelerated, IsMultipath: true));
        kernel.Append(new Route(IPNetwork.Parse("10.5.2.0/24"), null, 0, RouteProtocol.Boot, IsMultipath: true));

        Settle(kernel, Overlay.Device(Overlay.Peer(2)));

        Assert.Equal(["10.9.0.0/16", "10.5.9.0/24"], kernel.Routes.Where(r => r.IsMultipath).Select(r => r.Destination.ToString()));
        Assert.Contains(RoutingPlan.RouteTo(Overlay.Peer(2), Device), kernel.Routes);
    }

    public static TheoryData<string, string?, int, byte, bool> Elsewhere => new()
    {
        // Destination, gateway, interface, protocol, ours?
        { "10.5.9.0/24", "192.0.2.2", Underlay, RouteProtocol.Boot, true }, // flannel's, by way of a leased PublicIP
        { "10.5.9.0/24", "192.0.2.2", Underlay, RouteProtocol.Static, true },
        { "10.5.9.0/24", "192.0.2.2", Underlay, RouteProtocol.Accelerated, true },
        { "10.5.9.0/24", null, 9, RouteProtocol.Accelerated, true }, // an earlier device's
        { "10.5.9.0/24", "192.0.2.99", Underlay, RouteProtocol.Boot, false }, // by way of someone else
        { "10.5.9.0/24", null, Underlay, RouteProtocol.Boot, false },
        { "10.5.9.0/24", "192.0.2.2", 9, RouteProtocol.Boot, false },
        { "10.5.9.0/24", "192.0.2.2", Underlay, 186, false }, // a routing daemon's
        { "10.5.1.0/24", null, Underlay, RouteProtocol.Kernel, false },
        { "10.6.9.0/24", "192.0.2.2", Underlay, RouteProtocol.Boot, false }, // not in the overlay
        { "10.6.9.0/24", "192.0.2.2", Underlay, RouteProtocol.Accelerated, false },
        { "10.0.0.0/8", "192.0.2.2", Underlay, RouteProtocol.Boot, false },
        { "0.0.0.0/0", "192.0.2.2", Underlay, RouteProtocol.Boot, false },
        { "0.0.0.0/0", "192.0.2.2", Underlay, RouteProtocol.Accelerated, false },
    };

    [Theory]
    [MemberData(nameof(Elsewhere))]
    public void Between_WithRoutesElsewhere_RemovesOursAndNoOthers(string destination, string? gateway, int index, byte protocol, bool ours)
    {
        var kernel = new KernelModel();
        var device = Overlay.Device(Overlay.Peer(2));
        Settle(kernel, device);
        var route = new Route(
            IPNetwork.Parse(destination), gateway is null ? null : IPAddress.Parse(gateway), index, protocol,
            gateway is null ? RouteScope.Link : RouteScope.Universe);
        kernel.Append(route);

        Settle(kernel, device);

        Assert.Equal(!ours, kernel.Routes.Contains(route));
    }

    /// <summary>One pass, after which there must be nothing left to do.</summary>
    private static IReadOnlyList<KernelChange> Settle(KernelModel kernel, OverlayDevice device)
    {
        var plan = kernel.Plan(device, mayPrune: true);
        kernel.Execute(plan);
        Assert.Empty(InWords(kernel.Plan(device, mayPrune: true)));
        return plan;
    }

    private static IEnumerable<string> InWords(IEnumerable<KernelChange> plan) => plan.Select(c => $"{c.Peer ?? "-"} {c}");
}
