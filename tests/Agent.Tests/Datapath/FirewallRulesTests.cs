using System.Collections.Immutable;
using System.Net;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Tests.Datapath;

public sealed class FirewallRulesTests
{
    private const string Head = "add table inet accelerated-default\ndelete table inet accelerated-default\n";

    private static readonly GuardSpec NoGuard = new(OverlayGuard.Off, "flannel.1", 1, 8472, 2, [], []);

    private static readonly FirewallSpec Spec = new(IPNetwork.Parse("10.5.0.0/16"), IPNetwork.Parse("10.5.1.0/24"), true, true, true, NoGuard);

    private static readonly FirewallSpec Guarded = Spec with
    {
        Masquerade = false,
        AcceptForwarded = false,
        Guard = NoGuard with { Mode = OverlayGuard.Vtep, Vteps = Vteps("192.0.2.2", "192.0.2.3"), Allowed = [IPNetwork.Parse("203.0.113.0/24")] },
    };

    private static readonly AcceptMark Mark = new(0xff00, 5, "flannel.1", ["docker0", "cni0"]);

    private static readonly ImmutableDictionary<string, PacketCount> NoCounts = ImmutableDictionary<string, PacketCount>.Empty;

    [Fact]
    public void Replace_WithEverything_IsOneTransactionWithFlannelsRules() => Assert.Equal(
        """
        add table inet accelerated-default
        delete table inet accelerated-default
        table inet accelerated-default {
        	chain forward {
        		type filter hook forward priority filter; policy accept;
        		ip saddr 10.5.0.0/16 accept
        		ip daddr 10.5.0.0/16 accept
        	}
        	chain postrouting {
        		type nat hook postrouting priority srcnat; policy accept;
        		meta mark & 0x4000 == 0x4000 return
        		ip saddr 10.5.1.0/24 ip daddr 10.5.0.0/16 return
        		ip saddr 10.5.0.0/16 ip daddr 10.5.1.0/24 return
        		ip saddr != 10.5.0.0/16 ip daddr 10.5.1.0/24 return
        		ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
        		ip saddr != 10.5.0.0/16 ip daddr 10.5.0.0/16 masquerade fully-random
        	}
        }

        """,
        FirewallRules.Replace(FirewallRules.TableName("default"), Spec, null, NoCounts));

    [Fact]
    public void Replace_WithAnAcceptMark_MarksBothDirectionsLast() => Assert.Equal(
        """
        add table inet accelerated-default
        delete table inet accelerated-default
        table inet accelerated-default {
        	chain accept_mark {
        		type filter hook postrouting priority 2147483646; policy accept;
        		meta l4proto != { tcp, udp } return
        		oifname "flannel.1" iifname { "cni0", "docker0" } ip saddr 10.5.1.0/24 ip daddr 10.5.0.0/16 goto accepted
        		iifname "flannel.1" oifname { "cni0", "docker0" } ip saddr 10.5.0.0/16 ip daddr 10.5.1.0/24 goto accepted
        	}
        	chain accepted {
        		ct direction original ct mark & 0x0000fd00 == 0x00001500 return
        		ct direction original ct mark & 0x0000fc00 == 0x00001400 ct mark set ct mark | 0x00000100 return
        		ct direction original ct mark set ct mark & 0xffff00ff | 0x00001500 return
        		ct direction reply ct mark & 0x0000fe00 == 0x00001600 return
        		ct direction reply ct mark & 0x0000fc00 == 0x00001400 ct mark set ct mark | 0x00000200 return
        		ct direction reply ct mark set ct mark & 0xffff00ff | 0x00001600 return
        	}
        }

        """,
        FirewallRules.Replace(FirewallRules.TableName("default"), Spec with { Masquerade = false, AcceptForwarded = false },
            Mark, NoCounts));

    [Fact]
    public void Replace_WithAnAcceptMarkAndNoContainers_HasNoChainForIt() =>
        Assert.DoesNotContain("ct mark", FirewallRules.Replace("t", Spec, Mark with { Gateways = [] }, NoCounts), StringComparison.Ordinal);

    [Fact]
    public void Replace_ForIPv6_UsesItsWords() => Assert.Equal(
        """
        add table inet accelerated-b
        delete table inet accelerated-b
        table inet accelerated-b {
        	chain postrouting {
        		type nat hook postrouting priority srcnat; policy accept;
        		meta mark & 0x4000 == 0x4000 return
        		ip6 saddr fd00:42:0:1::/64 ip6 daddr fd00:42::/48 return
        		ip6 saddr fd00:42::/48 ip6 daddr fd00:42:0:1::/64 return
        		ip6 saddr != fd00:42::/48 ip6 daddr fd00:42:0:1::/64 return
        		ip6 saddr fd00:42::/48 ip6 daddr != ff00::/8 masquerade
        		ip6 saddr != fd00:42::/48 ip6 daddr fd00:42::/48 masquerade
        	}
        }

        """,
        FirewallRules.Replace(FirewallRules.TableName("b"),
            new FirewallSpec(IPNetwork.Parse("fd00:42::/48"), IPNetwork.Parse("fd00:42:0:1::/64"), true, false, false, NoGuard), null, NoCounts));

    [Fact]
    public void Replace_WithoutMasquerade_HasNoNatChain() => Assert.Equal(
        """
        add table inet accelerated-default
        delete table inet accelerated-default
        table inet accelerated-default {
        	chain forward {
        		type filter hook forward priority filter; policy accept;
        		ip saddr 10.5.0.0/16 accept
        		ip daddr 10.5.0.0/16 accept
        	}
        }

        """,
        FirewallRules.Replace("accelerated-default", Spec with { Masquerade = false }, null, NoCounts));

    [Fact]
    public void Replace_WithTheGuard_JudgesOurPortAndVniBeforeDefragmentation() => Assert.Equal(
        """
        add table inet accelerated-default
        delete table inet accelerated-default
        table inet accelerated-default {
        	set vteps {
        		type ipv4_addr
        		elements = { 192.0.2.2, 192.0.2.3 }
        	}
        	set guard_allow {
        		type ipv4_addr
        		flags interval
        		elements = { 203.0.113.0/24 }
        	}
        	counter unknown_vtep { packets 7 bytes 700 }
        	counter not_from_underlay { packets 0 bytes 0 }
        	counter forged_source { packets 0 bytes 0 }
        	counter fragment { packets 0 bytes 0 }
        	chain guard {
        		type filter hook prerouting priority raw - 150; policy accept;
        		meta nfproto ipv4 udp dport 8472 jump guard_vxlan
        		iifname "flannel.1" ip saddr 10.5.1.0/24 counter name forged_source drop
        	}
        	chain guard_vxlan {
        		@th,64,8 & 0x08 != 0x08 return
        		@th,96,24 != 1 return
        		iif 2 ip saddr @vteps return
        		iif 2 ip saddr @guard_allow return
        		ip saddr @guard_allow ip saddr != 10.5.0.0/16 fib saddr . iif oif exists return
        		iif 2 fib daddr type unicast return
        		iif 2 counter name unknown_vtep drop
        		fib daddr type != unicast counter name not_from_underlay drop
        		ip daddr @vteps counter name not_from_underlay drop
        		fib daddr oif 2 counter name not_from_underlay drop
        	}
        }

        """,
        FirewallRules.Replace("accelerated-default", Guarded, null, NoCounts.Add("unknown_vtep", new PacketCount(7, 700)).Add("another", new PacketCount(1, 1))));

    [Fact]
    public void Replace_WithAStrictGuard_RefusesFragmentsBeforeItAsksWhoSentThem()
    {
        var lines = Lines(OverlayGuard.Strict);

        var fragments = Array.IndexOf(lines, "ip frag-off & 0x2000 != 0 fib daddr type != unicast counter name fragment drop");
        Assert.InRange(fragments, Array.IndexOf(lines, "@th,96,24 != 1 return"), Array.IndexOf(lines, "iif 2 ip saddr @vteps return"));
        Assert.Equal(Lines(OverlayGuard.Vtep), lines.Where((_, i) => i != fragments));
    }

    [Fact]
    public void Replace_WithAGuardThatObserves_CountsTheSameAndDropsNothing()
    {
        var observing = Lines(OverlayGuard.Observe);

        Assert.DoesNotContain(observing, l => l.Contains("drop", StringComparison.Ordinal));
        Assert.Equal(
            Lines(OverlayGuard.Vtep).Where(l => l.Contains("counter name", StringComparison.Ordinal)).Select(l => l.Replace(" drop", "", StringComparison.Ordinal)),
            observing.Where(l => l.Contains("counter name", StringComparison.Ordinal)).Select(l => l.Replace(" return", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void Replace_WithAGuardWithoutPeers_HasEmptySets() =>
        Assert.DoesNotContain("elements", Rules(Guarded with { Guard = Guarded.Guard with { Vteps = [], Allowed = [] } }), StringComparison.Ordinal);

    [Fact]
    public void Replace_WithNothingWanted_LeavesNoTableBehind() =>
        Assert.Equal(Head, Rules(Spec with { Masquerade = false, AcceptForwarded = false }));

    [Fact]
    public void Update_WithOtherPeers_ChangesThoseAlone() => Assert.Equal(
        "add element inet accelerated-default vteps { 192.0.2.4, 192.0.2.5 }\ndelete element inet accelerated-default vteps { 192.0.2.2 }\n",
        Update(Guarded, Guarded with { Guard = Guarded.Guard with { Vteps = Vteps("192.0.2.3", "192.0.2.4", "192.0.2.5") } }));

    [Fact]
    public void Update_WithTheSamePeersInAnotherOrder_IsEmpty() =>
        Assert.Equal("", Update(Guarded, Guarded with { Guard = Guarded.Guard with { Vteps = Vteps("192.0.2.3", "192.0.2.2") } }));

    [Fact]
    public void Update_WithOtherPeersAndNoGuard_IsEmpty() => Assert.Equal("", Update(Spec, Spec with { Guard = NoGuard with { Vteps = Vteps("192.0.2.3") } }));

    [Fact]
    public void Update_WithAnythingElse_WantsANewTable()
    {
        Assert.Null(Update(Guarded, Guarded with { Guard = Guarded.Guard with { Mode = OverlayGuard.Observe } }));
        Assert.Null(Update(Guarded, Guarded with { Guard = Guarded.Guard with { UnderlayIndex = 3 } }));
        Assert.Null(Update(Guarded, Guarded with { Guard = Guarded.Guard with { Allowed = [] } }));
        Assert.Null(Update(Guarded, Guarded with { Masquerade = true }));
        Assert.Null(Update(Guarded, Guarded with { Subnet = IPNetwork.Parse("10.5.2.0/24") }));
    }

    [Fact]
    public void Update_WithAnotherMark_WritesItsChainsAlone()
    {
        var update = Update(Guarded, Mark, Guarded, Mark with { Generation = 6 })!;
        Assert.StartsWith(
            "flush chain inet accelerated-default accept_mark\nflush chain inet accelerated-default accepted\ntable inet accelerated-default {\n\tchain accept_mark {",
            update, StringComparison.Ordinal);
        Assert.DoesNotContain("vteps", update, StringComparison.Ordinal);
        Assert.Equal("", Update(Guarded, Mark, Guarded, Mark with { Gateways = ["cni0", "docker0"] }));
    }

    [Fact]
    public void Update_WithTheFirstOrLastContainer_AddsAndTakesAwayTheChains()
    {
        Assert.StartsWith("table inet accelerated-default {\n\tchain accept_mark {", Update(Guarded, null, Guarded, Mark), StringComparison.Ordinal);
        Assert.Equal(
            "flush chain inet accelerated-default accept_mark\nflush chain inet accelerated-default accepted\n"
            + "delete chain inet accelerated-default accept_mark\ndelete chain inet accelerated-default accepted\n",
            Update(Guarded, Mark, Guarded, Mark with { Gateways = [] }));
        Assert.Equal("", Update(Guarded, null, Guarded, Mark with { Gateways = [] }));
    }

    private static ImmutableArray<IPAddress> Vteps(params string[] addresses) => [.. addresses.Select(IPAddress.Parse)];

    private static string Rules(FirewallSpec spec) => FirewallRules.Replace("accelerated-default", spec, null, NoCounts);

    private static string[] Lines(OverlayGuard mode) =>
        Rules(Guarded with { Guard = Guarded.Guard with { Mode = mode } }).Split('\n', StringSplitOptions.TrimEntries);

    private static string? Update(FirewallSpec before, FirewallSpec after) => Update(before, null, after, null);

    private static string? Update(FirewallSpec before, AcceptMark? markBefore, FirewallSpec after, AcceptMark? markAfter) =>
        FirewallRules.Update("accelerated-default", (before, markBefore), (after, markAfter));
}
