using System.Net;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;
using SubnetKey = Accelerated.Agent.State.SubnetKey;

namespace Accelerated.Agent.Tests.State;

public sealed class DesiredStateBuilderTests
{
    private const string OwnKey = "10.5.60.0-24";
    private const string OwnMac = "76:19:b2:0f:7d:a4";
    private static readonly NodeFacts Node = new("eth0", 2, null, 1500, IPAddress.Parse("192.0.2.1"), 24, null, true, OnLinkPrefixes.From([(IPNetwork.Parse("192.0.2.0/24"), true)]), true);
    private static readonly FirewallOptions Firewall = new(true, true, true, OverlayGuard.Vtep, [IPNetwork.Parse("203.0.113.0/24")]);

    // Name, value, the reason it is left out for.
    public static TheoryData<string, string, string> Refused => new()
    {
        { "10.6.1.0-24", Value("192.0.2.7"), "10.6.1.0/24 is not inside Network 10.5.0.0/16" },
        { "10.4.0.0-15", Value("192.0.2.7"), "10.4.0.0/15 is not inside Network 10.5.0.0/16" },
        { "0.0.0.0-0", Value("192.0.2.7"), "0.0.0.0/0 is not inside Network 10.5.0.0/16" },
        { "127.0.0.0-8", Value("192.0.2.7"), "127.0.0.0/8 is not inside Network 10.5.0.0/16" },
        { "224.0.0.0-4", Value("192.0.2.7"), "224.0.0.0/4 is not inside Network 10.5.0.0/16" },
        { "192.0.2.0-24", Value("192.0.2.7"), "192.0.2.0/24 is not inside Network 10.5.0.0/16" },
        { "192.0.2.7-31", Value("192.0.2.7"), "the key is not a subnet like 10.5.1.0-24" },
        { "0.0.0.0-0&fd00:42:0:3d::-64", Value("192.0.2.7"), "0.0.0.0/0 is not inside Network 10.5.0.0/16" },
        { "10.5.60.128-25", Value("192.0.2.7"), "the subnet overlaps this node's own 10.5.60.0/24" },
        { "10.5.0.0-16", Value("192.0.2.7"), "the subnet overlaps this node's own 10.5.60.0/24" },
        { "10.5.60.0-24&fd00:42:0:3d::-64", Value("192.0.2.7"), "the subnet overlaps this node's own 10.5.60.0/24" },
        { "10.5.1.0-24", """{"BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:07"}}""", "PublicIP is missing" },
        { "10.5.1.0-24", Value("0.0.0.0"), "PublicIP is missing" },
        { "10.5.1.0-24", Value("0.1.2.3"), "PublicIP 0.1.2.3 is not a unicast address" },
        { "10.5.1.0-24", Value("127.0.0.1"), "PublicIP 127.0.0.1 is not a unicast address" },
        { "10.5.1.0-24", Value("224.0.0.1"), "PublicIP 224.0.0.1 is not a unicast address" },
        { "10.5.1.0-24", Value("255.255.255.255"), "PublicIP 255.255.255.255 is not a unicast address" },
        { "10.5.1.0-24", Value("192.0.2.1"), "PublicIP 192.0.2.1 is this node's own: a left-over lease of this node, or two nodes with one address" },
        { "10.5.1.0-24", Value("203.0.113.7"), "PublicIP 203.0.113.7 is this node's own: a left-over lease of this node, or two nodes with one address" },
        { "10.5.1.0-24", Value("10.5.1.9"), "PublicIP 10.5.1.9 is inside the subnet it should lead to" },
        { "10.5.1.0-24", Value("10.5.60.9"), "PublicIP 10.5.60.9 is inside this node's own subnet 10.5.60.0/24: packets to it would stay here" },
        { "10.5.1.0-24", Value("10.5.9.7"), "PublicIP 10.5.9.7 is inside the subnet of 10.5.9.0-24: packets to it would go into that tunnel" },
        { "10.5.1.0-24", HostGw("198.51.100.7"), "PublicIP 198.51.100.7 is not on the link of eth0 (192.0.2.0/24), and a plain route needs that" },
        { "10.5.1.0-24", Value("192.0.2.7", type: "udp"), "BackendType is \"udp\", not vxlan" },
        { "10.5.1.0-24", """{"PublicIP":"192.0.2.7"}""", "BackendType is \"\", not vxlan" },
        { "10.5.1.0-24", """{"PublicIP":"192.0.2.7","BackendType":"vxlan","BackendData":{"VNI":1}}""", "BackendData has no VtepMAC" },
        { "10.5.1.0-24", Value("192.0.2.7", mac: "00:00:00:00:00:00"), "VtepMAC 00:00:00:00:00:00 is not a unicast address" },
        { "10.5.1.0-24", Value("192.0.2.7", mac: "01:00:5e:00:00:01"), "VtepMAC 01:00:5e:00:00:01 is not a unicast address" },
        { "10.5.1.0-24", Value("192.0.2.7", mac: "ff:ff:ff:ff:ff:ff"), "VtepMAC ff:ff:ff:ff:ff:ff is not a unicast address" },

        // The kernel's driver drops what comes in with the device's own address as source (vxlan_set_mac).
        { "10.5.1.0-24", Value("192.0.2.7", mac: OwnMac), $"VtepMAC {OwnMac} is also claimed by {OwnKey}: frames can go to one of them only" },
        { "10.5.1.0-24", "poison", "the value is not JSON" },
    };

    [Fact]
    public void Build_ForTheRecordedVxlanNode_IsWhatFlannelProgrammed()
    {
        var state = Build(Fixtures.Leases("vxlan"), node: Node, publicIP: "192.0.2.1");

        Assert.Equal(
            """
            device flannel.1 vni 1 port 8472 dev 2 local 192.0.2.1 mac 76:19:b2:0f:7d:a4 mtu 1450 network 10.5.0.0/16 subnet 10.5.60.0/24
              10.5.88.0-24: 10.5.88.0/24 via 10.5.88.0 lladdr 6e:0b:24:f3:bc:5a dst 192.0.2.2
            firewall 10.5.0.0/16 10.5.60.0/24 masquerade random forward
            guard Vtep flannel.1 vni 1 port 8472 dev 2 vteps 192.0.2.2 allow 203.0.113.0/24
            env FLANNEL_NETWORK=10.5.0.0/16 FLANNEL_SUBNET=10.5.60.1/24 FLANNEL_MTU=1450 FLANNEL_IPMASQ=true
            prune

            """,
            state.InWords());
    }

    [Fact]
    public void Build_ForTheRecordedDirectRoutingNode_IsWhatFlannelProgrammed()
    {
        var state = Build(Fixtures.Leases("directrouting"), NetworkConfigParser.Parse(Fixtures.Config("directrouting")), "10.5.52.0-24");

        Assert.Equal(
            """
            direct 10.5.73.0-24: 10.5.73.0/24 via 192.0.2.2 dev 2 may encapsulate
            device flannel.7 vni 7 port 4789 dev 2 local 192.0.2.1 mac 06:66:f2:a5:2e:91 mtu 1450 network 10.5.0.0/16 subnet 10.5.52.0/24
            firewall 10.5.0.0/16 10.5.52.0/24 masquerade random forward
            guard Vtep flannel.7 vni 7 port 4789 dev 2 vteps 192.0.2.2 allow 203.0.113.0/24
            env FLANNEL_NETWORK=10.5.0.0/16 FLANNEL_SUBNET=10.5.52.1/24 FLANNEL_MTU=1450 FLANNEL_IPMASQ=true
            prune

            """,
            state.InWords());
    }

    [Fact]
    public void Build_ForTheRecordedHostGwNode_IsWhatFlannelProgrammed()
    {
        var config = NetworkConfigParser.Parse(Fixtures.Config("host-gw"));

        var state = Build(Fixtures.Leases("host-gw"), config, "10.5.27.64-26");

        Assert.Equal(
            """
            direct 10.5.26.128-26: 10.5.26.128/26 via 192.0.2.2 dev 2
            firewall 10.5.0.0/16 10.5.27.64/26 masquerade random forward
            guard Off  vni 0 port 0 dev 2 vteps  allow 203.0.113.0/24
            env FLANNEL_NETWORK=10.5.0.0/16 FLANNEL_SUBNET=10.5.27.65/26 FLANNEL_MTU=1500 FLANNEL_IPMASQ=true
            prune

            """,
            state.InWords());
        Assert.Equal(Fixtures.Text("host-gw", "subnet1.env"), state.SubnetFile.ToFileText());
    }

    // Backend settings, the peer's value, the way to it or why there is none.
    public static TheoryData<string, string, bool, string> Ways => new()
    {
        { "", Value("192.0.2.7"), false, "vxlan" },
        { "", Value("198.51.100.7"), false, "vxlan" },
        { "", HostGw("192.0.2.7"), false, "direct" },
        { "\"DirectRouting\":true", Value("192.0.2.7"), false, "direct, may encapsulate" },
        { "\"DirectRouting\":true", Value("198.51.100.7"), false, "vxlan" },
        { "\"DirectRouting\":true", Value("192.0.2.99"), false, "vxlan" }, // A longer prefix sends it to a gateway.

        // This node had to fall back to host-gw: flannel does not see its lease.
        { "", Understanding("192.0.2.7"), true, "direct, may encapsulate" },
        { "", HostGw("192.0.2.7"), true, "direct" },
        { "", Value("192.0.2.7"), true, "BackendType is \"vxlan\", and its lease does not say that it understands host-gw: flannel passes over this node's lease then" },
        { "", Understanding("198.51.100.7"), true, "PublicIP 198.51.100.7 is not on the link of eth0 (192.0.2.0/24), and a plain route needs that" },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public void Build_OfOnePeer_ChoosesTheWayByPeer(string backend, string peer, bool fellBack, string way)
    {
        var own = fellBack ? (OwnKey, HostGw("192.0.2.1")) : Own;
        var node = Node with
        {
            OnLink = OnLinkPrefixes.From([(IPNetwork.Parse("192.0.2.0/24"), true), (IPNetwork.Parse("192.0.2.96/27"), false), (IPNetwork.Parse("0.0.0.0/0"), false)]),
        };
        var view = View([own, ("10.5.1.0-24", peer)]);

        var state = DesiredStateBuilder.Build(Config(backend), new OwnSubnet(view.Leases[OwnKey], false), view, node, Firewall);

        var overlay = state.Overlays[0];
        Assert.Equal(way, state.Rejected.GetValueOrDefault("10.5.1.0-24")
            ?? (overlay.Direct is [var direct] ? $"direct{(direct.MayEncapsulate ? ", may encapsulate" : "")}" : overlay.Device!.Peers.Single().Remote is not null ? "vxlan" : ""));
        Assert.Equal(fellBack, overlay.IsHostGw);
        // Who has a VTEP may use it, whatever way we take.
        Assert.Equal(way is "vxlan" or "direct, may encapsulate", !state.Firewall.Guard.Vteps.IsEmpty);
    }

    // The other node, this node's --public-ip, why host-gw cannot be fallen back to.
    public static TheoryData<string, string, string?> Obstacles => new()
    {
        { Understanding("192.0.2.7"), "192.0.2.1", null },
        { HostGw("192.0.2.7"), "192.0.2.1", null },
        { Value("192.0.2.7"), "192.0.2.1", "10.5.1.0-24 (192.0.2.7): BackendType is \"vxlan\", and its lease does not say that it understands host-gw: flannel passes over this node's lease then" },
        { Understanding("198.51.100.7"), "192.0.2.1", "10.5.1.0-24 (198.51.100.7): PublicIP 198.51.100.7 is not on the link of eth0 (192.0.2.0/24), and a plain route needs that" },
        { Understanding("192.0.2.7"), "203.0.113.7", "--public-ip=203.0.113.7 is not the address of eth0, 192.0.2.1: a packet that is not encapsulated would not get there" },
        { "poison", "192.0.2.1", null }, // Nobody's node.
        { Value("127.0.0.1"), "192.0.2.1", null },
    };

    [Theory]
    [MemberData(nameof(Obstacles))]
    public void ObstacleToHostGw_WithOneOtherNode_SaysWhichAndWhy(string peer, string publicIP, string? obstacle)
    {
        var view = View([Own, ("10.5.1.0-24", peer)]);

        Assert.Equal(obstacle, DesiredStateBuilder.ObstacleToHostGw(Config(), OwnSubnet(view, publicIP), view, Node));
    }

    [Fact]
    public void Build_OfManyPeers_SortsThemByAddress()
    {
        var state = Build([Own, ("10.5.100.0-24", Value("192.0.2.2", 2)), ("10.5.9.0-24", Value("192.0.2.3", 3)), ("10.5.10.0-24", Value("192.0.2.4", 4))]);

        Assert.Equal(["10.5.9.0-24", "10.5.10.0-24", "10.5.100.0-24"], state.Overlays[0].Device!.Peers.Select(p => p.Key));
        Assert.Empty(state.Rejected);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void Build_WithALeaseThatCannotBeUsed_LeavesItOutWithTheReason(string name, string value, string reason)
    {
        var state = Build([Own, (name, value), ("10.5.9.0-24", Value("192.0.2.9", 9))]);

        Assert.Equal([$"{name} → {reason}"], state.Rejected.Select(r => $"{r.Key} → {r.Value}"));
        Assert.Equal(["10.5.9.0-24"], state.Overlays[0].Device!.Peers.Select(p => p.Key));
    }

    [Fact]
    public void Build_WithASubnetAroundTheOwnUnderlayAddress_LeavesItOut()
    {
        var state = Build([Own, ("10.5.1.0-24", Value("192.0.2.9"))], node: Node with { Address = IPAddress.Parse("10.5.1.7") });

        Assert.Equal("10.5.1.0/24 contains this node's own address 10.5.1.7", Assert.Single(state.Rejected).Value);
        Assert.Empty(state.Overlays[0].Device!.Peers);
    }

    // The underlay may lie in Network where no subnets are handed out: that a lease is there is no reason to lead its hosts' packets into the tunnel.
    [Theory]
    [InlineData("10.5.0.0-24", "10.5.0.0/24 contains this node's own address 10.5.0.7")]
    [InlineData("10.5.0.128-25", "10.5.0.128/25 overlaps the underlay 10.5.0.0/24 on eth0: packets to its hosts would go into the tunnel")]
    [InlineData("10.5.0.8-29", "10.5.0.8/29 overlaps the underlay 10.5.0.0/24 on eth0: packets to its hosts would go into the tunnel")]
    [InlineData("10.5.2.0-24", null)]
    public void Build_WithASubnetOfTheUnderlay_LeavesItOut(string name, string? reason)
    {
        var state = Build([Own, (name, Value("192.0.2.9"))], node: Node with { Address = IPAddress.Parse("10.5.0.7") });

        Assert.Equal(reason, state.Rejected.GetValueOrDefault(name));
        Assert.Equal(reason is null ? 1 : 0, state.Overlays[0].Device!.Peers.Length);
    }

    [Fact]
    public void Build_WithOneMacTwice_KeepsTheFirstKeyOnly()
    {
        var state = Build([Own, ("10.5.2.0-24", Value("192.0.2.3", 5)), ("10.5.1.0-24", Value("192.0.2.2", 5)), ("10.5.3.0-24", Value("192.0.2.4", 6))]);

        Assert.Equal(["10.5.1.0-24", "10.5.3.0-24"], state.Overlays[0].Device!.Peers.Select(p => p.Key));
        Assert.Equal(["10.5.2.0-24 → VtepMAC 02:00:00:00:00:05 is also claimed by 10.5.1.0-24: frames can go to one of them only"],
            state.Rejected.Select(r => $"{r.Key} → {r.Value}"));
    }

    [Fact]
    public void Build_WithOverlappingSubnets_KeepsThoseOfTheConfigsLengthElseTheOneThatBeginsFirst()
    {
        var state = Build([
            Own,
            ("10.5.8.0-21", Value("192.0.2.2", 2)), // 10.5.8.0 – 10.5.15.255
            ("10.5.9.0-24", Value("192.0.2.3", 3)),
            ("10.5.15.0-24", Value("192.0.2.4", 4)),
            ("10.5.16.0-24", Value("192.0.2.5", 5)),
            ("10.5.16.0-25", Value("192.0.2.6", 6)), // Begins with the other and ends before it.
            ("10.5.32.0-22", Value("192.0.2.7", 7)), // 10.5.32.0 – 10.5.35.255: nobody's.
            ("10.5.34.0-23", Value("192.0.2.8", 8)),
            ("10.5.36.0-24", Value("192.0.2.9", 9))]);

        Assert.Equal(["10.5.9.0-24", "10.5.15.0-24", "10.5.16.0-24", "10.5.32.0-22", "10.5.36.0-24"], state.Overlays[0].Device!.Peers.Select(p => p.Key));
        Assert.Equal(
            [
                "10.5.16.0-25 → the subnet overlaps 10.5.16.0-24",
                "10.5.34.0-23 → the subnet overlaps 10.5.32.0-22",
                "10.5.8.0-21 → the subnet overlaps 10.5.9.0-24",
            ],
            state.Rejected.Select(r => $"{r.Key} → {r.Value}"));
    }

    // Hosts may lie in Network where no subnets are handed out, here below 10.5.1.0: whoever claims a subnet there buries them.
    [Fact]
    public void Build_WithASubnetAroundTheAddressOfAnotherNode_LeavesTheSubnetOut()
    {
        var state = Build([Own, ("10.5.0.0-24", Value("192.0.2.2", 2)), ("10.5.7.0-24", Value("10.5.0.9", 3)), ("10.5.8.0-24", Value("10.5.200.9", 4))]);

        Assert.Equal(["10.5.7.0-24", "10.5.8.0-24"], state.Overlays[0].Device!.Peers.Select(p => p.Key));
        Assert.Equal(["10.5.0.0-24 → 10.5.0.0/24 contains 10.5.0.9, the PublicIP of 10.5.7.0-24: packets to that node would go into the tunnel"],
            state.Rejected.Select(r => $"{r.Key} → {r.Value}"));
    }

    [Fact]
    public void Build_OfTheOwnLeaseAlone_HasNoPeersAndRejectsNothing()
    {
        // Also when the view holds an older value of it than was written.
        var state = Build([(OwnKey, Value("192.0.2.1", 9))]);

        Assert.Empty(state.Overlays[0].Device!.Peers);
        Assert.Empty(state.Rejected);
    }

    [Theory]
    [InlineData(1500, 0, 1450)]
    [InlineData(9000, 0, 8950)]
    [InlineData(9000, 1500, 1450)]
    [InlineData(1500, 1400, 1350)]
    [InlineData(1500, 9000, 1450)] // The kernel refuses a device larger than the underlay (vxlan_change_mtu: EINVAL).
    public void Build_OfTheMtu_TakesTheTunnelOffTheSmallerOne(int underlay, int configured, int expected)
    {
        var state = Build([Own], node: Node with { Mtu = underlay }, config: Config($"\"MTU\":{configured}"));

        Assert.Equal(expected, state.Overlays[0].Device!.Mtu);
        Assert.Equal(expected, state.SubnetFile.Mtu);
    }

    [Fact]
    public void Build_BehindNat_SendsFromTheInterfaceAddress()
    {
        var state = Build([Own], publicIP: "203.0.113.7");

        Assert.Equal("192.0.2.1", state.Overlays[0].Device!.Local.ToString());
    }

    [Fact]
    public void Build_OfTheBackendsSettings_CarriesThemToTheDevice()
    {
        var device = Build([Own], config: Config("\"VNI\":7,\"Port\":4789,\"GBP\":true,\"Learning\":true")).Overlays[0].Device!;

        Assert.Equal(("flannel.7", 7u, (ushort)4789, true, true), (device.Name, device.Vni, device.Port, device.Gbp, device.Learning));
    }

    [Theory]
    [InlineData(true, false, true)]
    [InlineData(false, false, false)]
    [InlineData(true, true, false)]
    public void Build_OfAViewThatIsNotCertain_MustNotPrune(bool complete, bool provisional, bool expected)
    {
        var view = View([Own]) with { IsComplete = complete, IsProvisional = provisional };

        Assert.Equal(expected, DesiredStateBuilder.Build(Config(), OwnSubnet(view), view, Node, Firewall).MayPrune);
    }

    [Theory]
    [InlineData(OverlayGuard.Strict, true, OverlayGuard.Strict)]
    [InlineData(OverlayGuard.Vtep, true, OverlayGuard.Vtep)]
    [InlineData(OverlayGuard.Observe, true, OverlayGuard.Observe)]
    [InlineData(OverlayGuard.Off, true, OverlayGuard.Off)]
    [InlineData(OverlayGuard.Strict, false, OverlayGuard.Observe)]
    [InlineData(OverlayGuard.Vtep, false, OverlayGuard.Observe)]
    [InlineData(OverlayGuard.Off, false, OverlayGuard.Off)]
    public void Build_OfAViewThatIsNotCertain_LetsTheGuardObserveAtMost(OverlayGuard asked, bool certain, OverlayGuard expected)
    {
        var view = View([Own]) with { IsProvisional = !certain };

        Assert.Equal(expected, DesiredStateBuilder.Build(Config(), OwnSubnet(view), view, Node, Firewall with { Guard = asked }).Firewall.Guard.Mode);
    }

    [Fact]
    public void Build_OfEqualInputsInAnyOrder_GivesAnEqualState() => Rounds.Run(500, random =>
    {
        var leases = new List<(string, string)> { Own };
        for (var i = random.Next(40); i > 0; i--)
        {
            var name = random.Percent(80) ? $"10.5.{random.Next(256)}.0-24" : $"10.{random.Next(4, 7)}.{random.Next(64) * 4}.0-{random.Next(20, 23)}";
            if (leases.All(l => l.Item1 != name))
                leases.Add((name, Value($"192.0.2.{random.Next(1, 60)}", random.Next(40), random.Percent(90) ? "vxlan" : "udp")));
        }

        var expected = Build(leases);
        for (var i = 0; i < 3; i++)
        {
            var shuffled = leases.ToArray();
            random.Shuffle(shuffled);
            Assert.Equal(expected.InWords(), Build(shuffled).InWords());
        }

        // Every lease but the own one is either programmed or explained, never both, never neither.
        var programmed = expected.Overlays[0].Device!.Peers.Select(p => p.Key).ToList();
        Assert.Empty(programmed.Intersect(expected.Rejected.Keys));
        Assert.Equal(
            leases.Select(l => l.Item1).Where(n => n != OwnKey && SubnetKey.TryParse(n, out _)).Order(StringComparer.Ordinal),
            programmed.Concat(expected.Rejected.Keys.Where(k => SubnetKey.TryParse(k, out _))).Order(StringComparer.Ordinal));
        var peers = expected.Overlays[0].Device!.Peers;
        Assert.Equal(peers.Length, peers.Select(p => p.VtepMac).Append(MacAddress.Parse(OwnMac)).Distinct().Count() - 1);
        for (var i = 1; i < peers.Length; i++)
            Assert.True(IPMath.Range(peers[i - 1].Subnet).Last < IPMath.Range(peers[i].Subnet).First, $"{peers[i - 1].Key} {peers[i].Key}");
    });

    private static (string Name, string Value) Own => (OwnKey, Value("192.0.2.1", mac: OwnMac));

    private static NetworkConfig Config(string backend = "") =>
        NetworkConfigParser.Parse($$$"""{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan",{{{(backend.Length > 0 ? backend : "\"VNI\":1")}}}}}""");

    private static string Value(string publicIP, int number = 7, string type = "vxlan", string? mac = null) =>
        $$$"""{"PublicIP":"{{{publicIP}}}","PublicIPv6":null,"BackendType":"{{{type}}}","BackendData":{"VNI":1,"VtepMAC":"{{{mac ?? $"02:00:00:00:00:{number:x2}"}}}"}}""";

    private static string HostGw(string publicIP) => $$"""{"PublicIP":"{{publicIP}}","PublicIPv6":null,"BackendType":"host-gw"}""";

    private static string Understanding(string publicIP) =>
        $$"""{"PublicIP":"{{publicIP}}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:07"},"Transports":["vxlan","host-gw"]}""";

    private static LeaseView View(IEnumerable<(string Name, string Value)> leases) => LeaseViewBuilder.FromSnapshot(
        new EtcdRange(9, [.. leases.Select(l => new EtcdEntry(l.Name, l.Value, 1, 1, 1, 0))]), "");

    private static OwnSubnet OwnSubnet(LeaseView view, string publicIP = "192.0.2.1")
    {
        var lease = view.Leases.GetValueOrDefault(OwnKey)!;
        return new OwnSubnet(
            lease with { Attributes = new SubnetAttributes(IPAddress.Parse(publicIP), null, "vxlan", new VtepData(1, MacAddress.Parse(OwnMac)), null) }, false);
    }

    // The own PublicIP is not the interface's unless a test says so: the refusals of both are then seen.
    private static DesiredState Build(
        IEnumerable<(string Name, string Value)> leases, NodeFacts? node = null, NetworkConfig? config = null, string publicIP = "203.0.113.7")
    {
        var view = View(leases);
        return DesiredStateBuilder.Build(config ?? Config(), OwnSubnet(view, publicIP), view, node ?? Node, Firewall);
    }

    private static DesiredState Build(IEnumerable<(string Name, string Value)> leases, NetworkConfig config, string own)
    {
        var view = View(leases);
        return DesiredStateBuilder.Build(config, new OwnSubnet(view.Leases[own], false), view, Node, Firewall);
    }
}
