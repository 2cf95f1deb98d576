using System.Net;
using Accelerated.Agent.Node;
using Accelerated.Interop.Netlink;
using Accelerated.System.Tests.Netlink;

namespace Accelerated.System.Tests.Agent;

/// <summary>Which interface carries the underlay, by every flag that says so, on a host with several.</summary>
public sealed class UnderlaySelectorTests : IDisposable
{
    private const string Inventory = "This host has eth0 (192.0.2.1), wan198 (203.0.113.9), eth1 (198.51.100.1, 172.16.0.1, 198.51.100.2): name one of these";

    private readonly TestNamespace _ns = new();
    private readonly RouteSocket _routes;

    public UnderlaySelectorTests()
    {
        _routes = _ns.OpenSocket();
        _ns.AddUnderlay("eth0", "192.0.2.1/24");
        _ns.AddUnderlay("wan198", "203.0.113.9/24");
        _ns.AddUnderlay("eth1", "198.51.100.1/24");
        _ns.AddUnderlay("bare0", null);
        _ns.Ip("address add 198.51.100.2/24 dev eth1");
        _ns.Ip("address add 172.16.0.1/24 dev eth1 preferred_lft 0 valid_lft 10000"); // Being phased out.
        _ns.Ip("route add default via 192.0.2.254");
        _ns.Ip("route add 10.9.0.0/16 via 198.51.100.254 src 198.51.100.2");
        _ns.Ip("route add blackhole 10.99.0.0/16");
    }

    // The flags, the interface and the address.
    public static TheoryData<string, string> Choices => new()
    {
        { "--iface=eth1", "eth1 198.51.100.1" },
        { "--iface=198.51.100.2", "eth1 198.51.100.2" },
        { "--iface=wan198 --iface=eth1", "wan198 203.0.113.9" },
        { "--iface=nope0 --iface=10.0.0.1 --iface=eth1", "eth1 198.51.100.1" },
        { "--iface=bare0 --iface=lo --iface=127.0.0.1 --iface=eth1", "eth1 198.51.100.1" }, // There, and of no use.
        { "--iface=172.16.0.1", "eth1 172.16.0.1" },

        // On addresses first, anywhere in them, and of all interfaces before the first name is looked at.
        { "--iface-regex=198", "eth1 198.51.100.1" },
        { "--iface-regex=^198\\.51\\.100\\.2$", "eth1 198.51.100.2" },
        { "--iface-regex=\\.113\\.", "wan198 203.0.113.9" },
        { "--iface-regex=^wan", "wan198 203.0.113.9" },
        { "--iface-regex=th1", "eth1 198.51.100.1" },
        { "--iface-regex=^bare|^eth1", "eth1 198.51.100.1" }, // Of several names one that has an address.
        { "--iface-regex=^10\\. --iface-regex=^wan", "wan198 203.0.113.9" },
        { "--iface-regex=^bare --iface-regex=^wan", "wan198 203.0.113.9" },
        { "--iface-regex=.", "eth0 192.0.2.1" }, // Not lo's.

        // The device and the source of a route look-up.
        { "--iface-can-reach=203.0.113.77", "wan198 203.0.113.9" },
        { "--iface-can-reach=10.9.1.1", "eth1 198.51.100.2" },
        { "--iface-can-reach=8.8.8.8", "eth0 192.0.2.1" },

        // Several: --iface, then --iface-regex, then --iface-can-reach, in whatever order they are written.
        { "--iface-can-reach=203.0.113.77 --iface-regex=^198 --iface=eth0", "eth0 192.0.2.1" },
        { "--iface-can-reach=203.0.113.77 --iface-regex=^198 --iface=nope0", "eth1 198.51.100.1" },
        { "--iface-can-reach=203.0.113.77 --iface-regex=^nope --iface=nope0", "wan198 203.0.113.9" },

        // None of them.
        { "", "eth0 192.0.2.1" },
        { "--public-ip=198.51.100.2", "eth1 198.51.100.2" },
        { "--public-ip=203.0.113.200", "eth0 192.0.2.1" }, // Somebody translates it.
        { "--public-ip=198.51.100.2 --iface=eth0", "eth0 192.0.2.1" },
    };

    public static TheoryData<string, string> Errors => new()
    {
        { "--iface=nope0", $"--iface=nope0: no interface has this name or address. {Inventory}" },
        { "--iface=10.0.0.1", $"--iface=10.0.0.1: no interface has this name or address. {Inventory}" },
        { "--iface=bare0", $"--iface=bare0: bare0 has no usable IPv4 address. {Inventory}" },
        { "--iface=lo", $"--iface=lo: lo has no usable IPv4 address. {Inventory}" },
        { "--iface=127.0.0.1", $"--iface=127.0.0.1: 127.0.0.1 is this host's own for itself, and nobody else reaches it. {Inventory}" },
        { "--iface-regex=^172", $"--iface-regex=^172: matches no interface address and no name. {Inventory}" },
        { "--iface-regex=^bare0$", $"--iface-regex=^bare0$: bare0 has no usable IPv4 address. {Inventory}" },
        { "--iface-can-reach=10.99.1.1", $"--iface-can-reach=10.99.1.1: there is no route to it. {Inventory}" },
        { "--iface-can-reach=10.99.1.1 --iface-regex=^nope --iface=nope0",
            $"--iface=nope0: no interface has this name or address; --iface-regex=^nope: matches no interface address and no name; --iface-can-reach=10.99.1.1: there is no route to it. {Inventory}" },
    };

    public void Dispose()
    {
        _routes.Dispose();
        _ns.Dispose();
    }

    [Theory]
    [MemberData(nameof(Choices))]
    public void Select_ByFlags_TakesTheFirstHit(string flags, string expected) => Assert.Equal(expected, Select(flags));

    [Theory]
    [MemberData(nameof(Errors))]
    public void Select_WithoutAHit_NamesEachFlagAndWhatThereIs(string flags, string expected) =>
        Assert.Equal(expected, Assert.Throws<UnderlayException>(() => Select(flags)).Message);

    [Fact]
    public void Select_WithoutAHit_OffersNoTunnelAndBridgesLast()
    {
        _ns.Ip("link add docker0 type bridge");
        _ns.Ip("address add 192.168.7.1/24 dev docker0");
        _ns.Ip("link add flannel.1 type vxlan id 1 dev eth0 dstport 8472");
        _ns.Ip("address add 10.5.1.0/32 dev flannel.1");
        _ns.AddUnderlay("eth2", "192.168.8.1/24");

        var message = Assert.Throws<UnderlayException>(() => Select("--iface=nope0")).Message;

        Assert.EndsWith("198.51.100.2), eth2 (192.168.8.1), docker0 (192.168.7.1): name one of these", message, StringComparison.Ordinal);
        Assert.DoesNotContain("flannel", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Select_WithoutADefaultRoute_AsksForAFlag()
    {
        _ns.Ip("route del default");

        Assert.Equal($"--iface is not given and there is no IPv4 default route to go by. {Inventory} with --iface", Assert.Throws<UnderlayException>(() => Select("")).Message);
        Assert.Equal($"--iface-can-reach=8.8.8.8: there is no route to it. {Inventory}", Assert.Throws<UnderlayException>(() => Select("--iface-can-reach=8.8.8.8")).Message);
    }

    [Fact]
    public void Select_OfSeveralDefaultRoutes_TakesTheOneThatPacketsTake()
    {
        _ns.Ip("route change default via 192.0.2.254 metric 0");
        _ns.Ip("route add default via 203.0.113.254 metric 10");
        Assert.Equal("eth0 192.0.2.1", Select(""));

        _ns.Ip("route del default via 192.0.2.254");
        Assert.Equal("wan198 203.0.113.9", Select(""));

        _ns.Ip("route add default via 198.51.100.254 metric 5 src 198.51.100.2");
        Assert.Equal("eth1 198.51.100.2", Select(""));
    }

    [Fact]
    public void Select_OfAnInterfaceWithSeveralAddresses_PrefersGlobalAndPermanent()
    {
        _ns.Ip("address add 10.1.0.1/24 dev bare0 scope link");
        Assert.Equal("bare0 10.1.0.1", Select("--iface=bare0"));

        _ns.Ip("address add 10.2.0.1/24 dev bare0 valid_lft 1000 preferred_lft 1000");
        Assert.Equal("bare0 10.2.0.1", Select("--iface=bare0"));

        _ns.Ip("address add 10.3.0.1/24 dev bare0");
        Assert.Equal("bare0 10.3.0.1", Select("--iface=bare0"));
        Assert.Equal("bare0 10.3.0.1", Select("--iface-regex=^10\\."));
        Assert.Equal("bare0 10.1.0.1", Select("--iface-regex=^10\\.1"));
    }

    [Fact]
    public void Select_OnAHostWithoutAddresses_SaysWhatIsMissing()
    {
        foreach (var name in (string[])["eth0", "eth1", "wan198"])
            _ns.Ip($"address flush dev {name}");

        Assert.Equal(
            "--iface=eth0: eth0 has no usable IPv4 address. This host has no interface with an IPv4 address: give one to the interface that leads to the other hosts, and name it",
            Assert.Throws<UnderlayException>(() => Select("--iface=eth0")).Message);
    }

    private string Select(string flags)
    {
        var node = UnderlaySelector.Select(Options(flags), _routes);
        return $"{node.Interface} {node.Address}";
    }

    private static UnderlayOptions Options(string flags)
    {
        var words = flags.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(w => w.Split('=', 2)).ToList();
        return new UnderlayOptions(
            [.. Of("--iface")], [.. Of("--iface-regex")], Address("--iface-can-reach"), Address("--public-ip"));

        IEnumerable<string> Of(string flag) => words.Where(w => w[0] == flag).Select(w => w[1]);

        IPAddress? Address(string flag) => Of(flag).Select(IPAddress.Parse).SingleOrDefault();
    }
}
