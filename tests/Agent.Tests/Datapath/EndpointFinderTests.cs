using System.Net;
using Accelerated.Agent.Datapath.Lanes;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Datapath;

/// <summary>Node 1 with a bridge cni0 (10), a container on its port veth1 (11), and one on a veth of its own (20).</summary>
public sealed class EndpointFinderTests
{
    private const int Bridge = 10, Port = 11, Alone = 20, Space = 3;
    private static readonly IPNetwork Subnet = IPNetwork.Parse("10.5.1.0/24");
    private static readonly IPAddress OnBridge = IPAddress.Parse("10.5.1.2"), OnItsOwn = IPAddress.Parse("10.5.1.3");
    private static readonly MacAddress ContainerMac = Overlay.Mac(1), OtherMac = Overlay.Mac(2);

    private readonly Dictionary<int, Link> _links = new()
    {
        [Bridge] = Made(Bridge, "cni0", "bridge", 1450),
        [Port] = Made(Port, "veth1", "veth", 1400) with { MasterIndex = Bridge, PortState = Link.PortForwarding, ParentIndex = 2, ParentNetns = Space },
        [Alone] = Made(Alone, "cali1", "veth", 1450) with { ParentIndex = 4, ParentNetns = Space },
        [30] = Made(30, "eth0", null, 1500),
    };

    private readonly List<Neighbour> _neighbours = [new(Bridge, OnBridge, ContainerMac, NeighbourState.Stale), new(Alone, OnItsOwn, OtherMac, NeighbourState.Reachable)];
    private readonly Dictionary<(int, MacAddress), int> _table = new() { [(Bridge, ContainerMac)] = Port };
    private readonly Dictionary<IPAddress, int> _routes = new() { [OnBridge] = Bridge, [OnItsOwn] = Alone };
    private readonly Dictionary<int, List<Link>> _inside = new()
    {
        [Space] = [Made(1, "lo", null, 65536) with { Flags = 8, ForwardsIPv4 = true }, Made(2, "eth0", "veth", 1450), Made(4, "eth0", "veth", 1450)],
    };

    [Fact]
    public void Containers_OnABridgeAndOnAVethOfTheirOwn_AreFound()
    {
        var view = Find();

        Assert.Empty(view.LeftOut);
        Assert.Equal(
            [
                new Endpoint(OnBridge, Port, "veth1", "cni0", Bridge, ContainerMac, Overlay.Mac(Bridge), 1400, false),
                new Endpoint(OnItsOwn, Alone, "cali1", "cali1", Alone, OtherMac, Overlay.Mac(Alone), 1450, false),
            ],
            view.Endpoints.Values);
        Assert.Equal(view.Endpoints["10.5.1.2"], view.Find(OnBridge));
    }

    public static TheoryData<string, string> Obstacles => new()
    {
        { "route", "the route to it does not lead to cni0" },
        { "no route", "the route to it does not lead to cni0" },
        { "bridge down", "cni0 is down" },
        { "vlans", "cni0 filters VLANs" },
        { "table", "cni0 does not know the port of 02:00:00:00:00:01 yet" },
        { "port gone", "cni0 does not know the port of 02:00:00:00:00:01 yet" },
        { "port left", "veth1 does not forward" },
        { "port blocked", "veth1 does not forward" },
        { "port down", "veth1 is down" },
        { "no veth", "veth1 is not a veth" },
        { "same host", "the other end of veth1 is on this host itself" },
        { "hidden", "the other end of veth1 cannot be looked at" },
        { "peer down", "the other end of veth1 is down" },
    };

    [Theory]
    [MemberData(nameof(Obstacles))]
    public void Container_WithAnObstacle_IsLeftOutWithTheReason(string obstacle, string reason)
    {
        switch (obstacle)
        {
            case "route": _routes[OnBridge] = 30; break;
            case "no route": _routes.Remove(OnBridge); break;
            case "bridge down": _links[Bridge] = _links[Bridge] with { IsUp = false }; break;
            case "vlans": _links[Bridge] = _links[Bridge] with { FiltersVlans = true }; break;
            case "table": _table.Clear(); break;
            case "port gone": _links.Remove(Port); break;
            case "port left": _links[Port] = _links[Port] with { MasterIndex = 0 }; break;
            case "port blocked": _links[Port] = _links[Port] with { PortState = 4 }; break;
            case "port down": _links[Port] = _links[Port] with { IsUp = false }; break;
            case "no veth": _links[Port] = _links[Port] with { Kind = "macvtap" }; break;
            case "same host": _links[Port] = _links[Port] with { ParentNetns = null }; break;
            case "hidden": _inside[Space].RemoveAll(l => l.Index == 2); break;
            case "peer down": _inside[Space] = [.. _inside[Space].Select(l => l.Index == 2 ? l with { IsUp = false } : l)]; break;
            default: throw new ArgumentOutOfRangeException(nameof(obstacle));
        }

        var view = Find();

        Assert.Null(view.Find(OnBridge));
        Assert.Equal(reason, view.LeftOut["10.5.1.2"]);
        Assert.NotNull(view.Find(OnItsOwn));
    }

    [Theory]
    [InlineData(NeighbourState.Failed)]
    [InlineData(NeighbourState.Incomplete)]
    [InlineData(NeighbourState.NoArp)]
    public void Neighbour_NotResolved_IsNoContainer(ushort state)
    {
        _neighbours[0] = _neighbours[0] with { State = state };
        Assert.Null(Find().Find(OnBridge));
    }

    [Fact]
    public void Neighbour_OutsideTheSubnetOrOnAnotherKindOfInterface_IsNoContainer()
    {
        _neighbours.Add(new(Bridge, IPAddress.Parse("10.5.2.9"), ContainerMac, NeighbourState.Reachable));
        _neighbours.Add(new(30, IPAddress.Parse("10.5.1.9"), ContainerMac, NeighbourState.Reachable));
        var view = Find();
        Assert.Equal(2, view.Endpoints.Count);
        Assert.Empty(view.LeftOut);
    }

    [Fact]
    public void Container_KnownOnTwoInterfaces_IsWhereTheRouteLeads()
    {
        _neighbours.Insert(0, new(Alone, OnBridge, OtherMac, NeighbourState.Reachable));
        _neighbours.Add(new(Alone, OnBridge, OtherMac, NeighbourState.Reachable));
        var view = Find();
        Assert.Equal(Port, view.Find(OnBridge)!.Port);
        Assert.Empty(view.LeftOut);
    }

    [Theory]
    [InlineData("forwarding", true)]
    [InlineData("tunnel", true)]
    [InlineData("tunnel down", false)]
    [InlineData("nothing", false)]
    public void Container_ThatPassesPacketsOn_IsSaidTo(string what, bool forwards)
    {
        _inside[Space] = what switch
        {
            "forwarding" => [.. _inside[Space].Select(l => l.Index == 2 ? l with { ForwardsIPv4 = true } : l)],
            "tunnel" => [.. _inside[Space], Made(9, "vx", "vxlan", 1400)],
            "tunnel down" => [.. _inside[Space], Made(9, "gre0", "gre", 1400) with { IsUp = false }],
            _ => _inside[Space],
        };
        Assert.Equal(forwards, Find().Find(OnBridge)!.Forwards);
    }

    [Fact]
    public void Without_AReasonForAPort_LeavesItsContainersOut()
    {
        var view = Find().Without(new Dictionary<int, string> { [Port] = "a policer on veth1" });
        Assert.Null(view.Find(OnBridge));
        Assert.Equal("a policer on veth1", view.LeftOut["10.5.1.2"]);
        Assert.NotNull(view.Find(OnItsOwn));
    }

    private EndpointView Find() => EndpointFinder.Find(
        Subnet, _neighbours, _links, (bridge, mac) => _table.TryGetValue((bridge, mac), out var port) ? port : null,
        address => _routes.TryGetValue(address, out var index) ? index : null, port => _inside[port.ParentNetns!.Value]);

    private static Link Made(int index, string name, string? kind, int mtu) => new(index, name, kind, Overlay.Mac(index), mtu, true, true, OperState.Up);
}
