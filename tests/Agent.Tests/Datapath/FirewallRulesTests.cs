using System.Net;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.Datapath;

public sealed class FirewallRulesTests
{
    private static readonly FirewallSpec Spec = new(IPNetwork.Parse("10.5.0.0/16"), IPNetwork.Parse("10.5.1.0/24"), true, true, true);

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
        FirewallRules.Replace(FirewallRules.TableName("default"), Spec));

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
            new AcceptMark(0xff00, 5, "flannel.1", ["docker0", "cni0"])));

    [Fact]
    public void Replace_WithAnAcceptMarkAndNoContainers_HasNoChainForIt() =>
        Assert.DoesNotContain("ct mark", FirewallRules.Replace("t", Spec, new AcceptMark(0xff00, 5, "flannel.1", [])), StringComparison.Ordinal);

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
            new FirewallSpec(IPNetwork.Parse("fd00:42::/48"), IPNetwork.Parse("fd00:42:0:1::/64"), true, false, false)));

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
        FirewallRules.Replace("accelerated-default", Spec with { Masquerade = false }));

    [Fact]
    public void Replace_WithNothingWanted_LeavesNoTableBehind() => Assert.Equal(
        "add table inet accelerated-default\ndelete table inet accelerated-default\n",
        FirewallRules.Replace("accelerated-default", Spec with { Masquerade = false, AcceptForwarded = false }));
}
