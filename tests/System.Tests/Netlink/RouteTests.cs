using System.Net;
using System.Net.Sockets;
using Accelerated.Interop.Netlink;

namespace Accelerated.System.Tests.Netlink;

public sealed class RouteTests : IDisposable
{
    private readonly TestNamespace _ns = new();
    private readonly RouteSocket _socket;
    private readonly int _eth0;

    public RouteTests()
    {
        _socket = _ns.OpenSocket();
        _eth0 = _ns.AddUnderlay();
        _ns.Ip("address add 2001:db8::1/64 dev eth0 nodad");
    }

    public void Dispose()
    {
        _socket.Dispose();
        _ns.Dispose();
    }

    // The text of ip route is exact about everything a route has; the JSON spreads it over arrays.
    public static TheoryData<string, string, string?> Kinds => new()
    {
        { "10.5.88.0/24 via 10.5.88.0 dev eth0 proto 143 onlink", "10.5.88.0/24", "10.5.88.0" },
        { "10.5.89.0/24 via 192.0.2.9 dev eth0 proto 143", "10.5.89.0/24", "192.0.2.9" },
        { "10.5.90.0/24 dev eth0 proto 143 scope link", "10.5.90.0/24", null },
        { "10.5.91.0/24 dev eth0 proto 143 scope link src 192.0.2.1 metric 77", "10.5.91.0/24", null },
        { "10.5.92.0/24 via inet6 2001:db8::9 dev eth0 proto 143", "10.5.92.0/24", "2001:db8::9" },
        { "blackhole 10.5.93.0/24 proto 143", "10.5.93.0/24", null },
        { "unreachable 10.5.94.0/24 proto 143", "10.5.94.0/24", null },
        { "default via 192.0.2.9 dev eth0 proto 143", "0.0.0.0/0", "192.0.2.9" },
        { "fd00:42:0:3d::/64 via fd00:42:0:3d:: dev eth0 proto 143 metric 1024 onlink pref medium", "fd00:42:0:3d::/64", "fd00:42:0:3d::" },
        { "fd00:42:0:3e::/64 via 2001:db8::9 dev eth0 proto 143 metric 1024 pref medium", "fd00:42:0:3e::/64", "2001:db8::9" },
        { "fd00:42:0:3f::/64 dev eth0 proto 143 src 2001:db8::1 metric 77 pref medium", "fd00:42:0:3f::/64", null },
        { "blackhole fd00:42:0:40::/64 dev lo proto 143 metric 1024 pref medium", "fd00:42:0:40::/64", null },
        { "default via 2001:db8::9 dev eth0 proto 143 metric 1024 pref medium", "::/0", "2001:db8::9" },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void ReplaceRoute_EveryKind_IsWhatIpShowsAndReadsBackEqual(string shown, string prefix, string? gateway)
    {
        var type = shown.StartsWith("blackhole", StringComparison.Ordinal) ? RouteType.Blackhole
            : shown.StartsWith("unreachable", StringComparison.Ordinal) ? RouteType.Unreachable
            : RouteType.Unicast;
        var route = new Route(
            IPNetwork.Parse(prefix),
            gateway is null ? null : IPAddress.Parse(gateway),
            type == RouteType.Unicast ? _eth0 : 0,
            RouteProtocol.Accelerated,
            Scope: shown.Contains("scope link", StringComparison.Ordinal) ? RouteScope.Link : RouteScope.Universe,
            Type: type,
            OnLink: shown.Contains("onlink", StringComparison.Ordinal),
            Priority: shown.Contains("metric 77", StringComparison.Ordinal) ? 77u : 0,
            PreferredSource: shown.Contains("src 192", StringComparison.Ordinal) ? IPAddress.Parse("192.0.2.1")
                : shown.Contains("src 2001", StringComparison.Ordinal) ? IPAddress.Parse("2001:db8::1")
                : null);

        _socket.Execute(RouteRequest.ReplaceRoute(route));
        _socket.Execute(RouteRequest.ReplaceRoute(route));

        var v6 = route.Family == AddressFamily.InterNetworkV6;
        var show = $"-{(v6 ? 6 : 4)} route show {(route.Destination.PrefixLength == 0 ? "default" : prefix)}";
        Assert.Equal(shown, _ns.Ip(show).Replace("  ", " ", StringComparison.Ordinal).Trim());
        var stored = v6 && route.Priority == 0 ? route with { Priority = Route.DefaultPriorityV6 } : route;
        Assert.Equal(stored, Assert.Single(_socket.GetRoutes(new(route.Family, Protocol: RouteProtocol.Accelerated))));

        _socket.Execute(RouteRequest.DeleteRoute(stored));
        Assert.Empty(_ns.Ip(show));
        _socket.Execute(RouteRequest.DeleteRoute(stored));
    }

    [Theory]
    [InlineData("10.5.1.0/24", "192.0.2.7", "192.0.2.8")]
    [InlineData("fd00:42:0:1::/64", "2001:db8::7", "2001:db8::8")]
    public void ReplaceRoute_OtherGateway_LeavesOneRoute(string prefix, string first, string second)
    {
        var route = new Route(IPNetwork.Parse(prefix), IPAddress.Parse(first), _eth0, RouteProtocol.Accelerated);

        _socket.Execute(RouteRequest.ReplaceRoute(route));
        _socket.Execute(RouteRequest.ReplaceRoute(route with { Gateway = IPAddress.Parse(second) }));

        var shown = Assert.Single(_ns.IpJson($"{(first.Contains(':', StringComparison.Ordinal) ? "-6" : "-4")} route show proto 143").EnumerateArray());
        Assert.Equal(second, shown.GetProperty("gateway").GetString());
    }

    [Theory]
    [InlineData("10.5.1.0/24", "192.0.2.7")]
    [InlineData("fd00:42:0:1::/64", "2001:db8::7")]
    public void DeleteRoute_SamePrefixOfAnotherMaker_IsLeftAlone(string prefix, string gateway)
    {
        var family = gateway.Contains(':', StringComparison.Ordinal) ? "-6" : "-4";
        var route = new Route(IPNetwork.Parse(prefix), IPAddress.Parse(gateway), _eth0, RouteProtocol.Accelerated);
        _ns.Ip($"{family} route add {prefix} via {gateway} dev eth0 proto static");
        _ns.Ip($"{family} route add {prefix} via {gateway} dev eth0 proto 144 metric 50");

        _socket.Execute(RouteRequest.DeleteRoute(route));

        Assert.Equal(2, _ns.IpJson($"{family} route show {prefix}").GetArrayLength());
        _socket.Execute(RouteRequest.DeleteRoute(route with { Protocol = RouteProtocol.Static }));
        Assert.Equal("144", Assert.Single(_ns.IpJson($"{family} route show {prefix}").EnumerateArray()).GetProperty("protocol").GetString());
    }

    [Fact]
    public void ReplaceRoute_BadGateway_SaysWhatTheKernelSaid()
    {
        var route = new Route(IPNetwork.Parse("10.5.1.0/24"), IPAddress.Parse("203.0.113.9"), _eth0, RouteProtocol.Accelerated);

        var e = Assert.Throws<NetlinkException>(() => _socket.Execute(RouteRequest.ReplaceRoute(route)));

        Assert.Equal(
            $"replace route 10.5.1.0/24 via 203.0.113.9 dev #{_eth0} proto 143: ENETUNREACH: Network is unreachable (Nexthop has invalid gateway)",
            e.Message);
        Assert.Equal(("Nexthop has invalid gateway", 101), (e.ExtendedAck, e.Errno));
    }

    [Fact]
    public void Execute_SomeOfManyFail_TellsWhichAndDoesTheOthers()
    {
        var requests = Enumerable.Range(0, 300)
            .Select(i => new Route(
                IPNetwork.Parse($"10.{i / 100}.{i % 100}.0/24"),
                IPAddress.Parse(i is 0 or 128 or 299 ? "203.0.113.9" : "192.0.2.9"),
                _eth0,
                RouteProtocol.Accelerated))
            .Select(RouteRequest.ReplaceRoute)
            .ToList();

        var results = _socket.Execute(requests);

        Assert.Equal([0, 128, 299], Enumerable.Range(0, results.Count).Where(i => results[i] is not null));
        Assert.All([0, 128, 299], i => Assert.StartsWith(requests[i].Description, results[i]!.Message, StringComparison.Ordinal));
        Assert.Equal(297, _ns.IpJson("route show proto 143").GetArrayLength());
        Assert.Empty(_socket.Execute([]));
    }

    [Fact]
    public void GetRoutes_Filters_GiveWhatIpGives()
    {
        _ns.AddUnderlay("eth1", "198.51.100.1/24");
        foreach (var line in (string[])[
            "10.1.0.0/16 via 192.0.2.9 proto 143", "10.2.0.0/16 via 198.51.100.9 proto 143", "10.3.0.0/16 via 192.0.2.9",
            "10.4.0.0/16 via 192.0.2.9 proto 143 table 1000", "10.5.0.0/16 proto 143 nexthop via 192.0.2.9 nexthop via 198.51.100.9",
            "10.6.0.0/16 proto 143 nexthop via 192.0.2.9 nexthop via 192.0.2.8", "fd01::/64 via 2001:db8::9 proto 143",
            "fd02::/64 via 2001:db8::9 table 1000 proto 143", "blackhole fd03::/64 proto 143"])
            _ns.Ip($"{(line.Contains("::", StringComparison.Ordinal) ? "-6 " : "")}route add {line}");
        var eth1 = _ns.IndexOf("eth1");

        Check("-4 route show table main", new(AddressFamily.InterNetwork));
        Check("-4 route show table main proto 143", new(AddressFamily.InterNetwork, Protocol: 143));
        Check("-4 route show table 1000", new(AddressFamily.InterNetwork, Table: 1000));
        Check("-4 route show table local", new(AddressFamily.InterNetwork, Table: RouteTable.Local));
        Check("-4 route show table all", new(AddressFamily.InterNetwork, Table: null));
        Check("-4 route show table all proto 143", new(AddressFamily.InterNetwork, Table: null, Protocol: 143));
        Check("-6 route show table main", new(AddressFamily.InterNetworkV6));
        Check("-6 route show table all", new(AddressFamily.InterNetworkV6, Table: null));
        Check("-6 route show table 1000 proto 143", new(AddressFamily.InterNetworkV6, Table: 1000, Protocol: 143));

        // ip(8) leaves out multipath routes here; the kernel gives those with a hop over the interface.
        Check("-4 route show table main dev eth1", new(AddressFamily.InterNetwork, InterfaceIndex: eth1), "unicast 10.5.0.0/16");
        Check("-6 route show table main dev eth1", new(AddressFamily.InterNetworkV6, InterfaceIndex: eth1));
        Assert.Equal(2, _socket.GetRoutes(new(AddressFamily.InterNetwork)).Count(r => r.IsMultipath && r.InterfaceIndex == 0));
        Assert.Equal(
            _socket.GetRoutes(new(AddressFamily.InterNetwork)).Concat(_socket.GetRoutes(new(AddressFamily.InterNetworkV6))),
            _socket.GetRoutes(new()));

        void Check(string arguments, RouteFilter filter, params string[] more)
        {
            var expected = _ns.IpJson(arguments).EnumerateArray()
                .Select(r => $"{r.GetProperty("type").GetString()} {Prefix(r.GetProperty("dst").GetString()!, filter)}")
                .Concat(more)
                .Order()
                .ToList();
            var actual = _socket.GetRoutes(filter).Select(r => $"{r.Type.ToString().ToLowerInvariant()} {r.Destination}").Order();
            Assert.NotEmpty(expected);
            Assert.Equal(expected, actual);
        }

        static string Prefix(string dst, RouteFilter filter) =>
            dst == "default" ? (filter.Family == AddressFamily.InterNetwork ? "0.0.0.0/0" : "::/0")
            : dst.Contains('/', StringComparison.Ordinal) ? dst
            : $"{dst}/{(filter.Family == AddressFamily.InterNetwork ? 32 : 128)}";
    }

    [Fact]
    public void GetRoutes_NoSuchTableOrInterface_IsEmpty()
    {
        using var bare = new TestNamespace();
        using var socket = bare.OpenSocket();

        Assert.Empty(socket.GetRoutes(new()));
        Assert.Empty(_socket.GetRoutes(new(Table: 4711)));
        Assert.Empty(_socket.GetRoutes(new(InterfaceIndex: 7777)));
    }

    [Fact]
    public void LookUpRoute_EveryAnswer_AgreesWithIp()
    {
        _ns.Ip("route add default via 192.0.2.254");
        _ns.Ip("route add blackhole 10.9.0.0/16");
        _ns.Ip("route add prohibit 10.10.0.0/16");
        _ns.Ip("route add unreachable 10.11.0.0/16");
        _ns.Ip("route add blackhole 2001:db8:9::/64");
        _ns.Ip("route add prohibit 2001:db8:10::/64");

        Assert.Equal((IPAddress.Parse("192.0.2.254"), _eth0, IPAddress.Parse("192.0.2.1"), RouteTable.Main), Answer("8.8.8.8"));
        Assert.Equal((null, _eth0, IPAddress.Parse("192.0.2.1"), RouteTable.Main), Answer("192.0.2.77"));
        Assert.Equal((null, _eth0, IPAddress.Parse("2001:db8::1"), RouteTable.Main), Answer("2001:db8::77"));
        Assert.Equal(RouteType.Local, _socket.LookUpRoute(IPAddress.Parse("192.0.2.1"))!.Type);
        Assert.Equal(IPNetwork.Parse("8.8.8.8/32"), _socket.LookUpRoute(IPAddress.Parse("8.8.8.8"))!.Destination);
        Assert.All(
            (string[])["10.9.0.1", "10.10.0.1", "10.11.0.1", "2001:db8:77::1", "2001:db8:9::1", "2001:db8:10::1"],
            a => Assert.Null(_socket.LookUpRoute(IPAddress.Parse(a))));

        (IPAddress?, int, IPAddress?, uint) Answer(string address)
        {
            var route = _socket.LookUpRoute(IPAddress.Parse(address))!;
            return (route.Gateway, route.InterfaceIndex, route.PreferredSource, route.Table);
        }
    }

    [Fact]
    public void ReplaceRoute_Multipath_IsRefusedBeforeItIsSent()
    {
        _ns.Ip("route add 10.6.0.0/16 nexthop via 192.0.2.9 nexthop via 192.0.2.8");
        var read = Assert.Single(_socket.GetRoutes(new(AddressFamily.InterNetwork)), r => r.IsMultipath);

        Assert.Throws<ArgumentException>(() => RouteRequest.ReplaceRoute(read));
        Assert.Throws<ArgumentException>(() => RouteRequest.DeleteRoute(read));
    }
}
