using Accelerated.Agent.Datapath.Lanes.Survey;

namespace Accelerated.System.Tests.Survey;

/// <summary>Which rules close the shortcut, written with the tools people use and read back from the kernel.</summary>
public sealed class ShortcutRulesTests : IDisposable
{
    private readonly SurveyHost _host = new();

    public void Dispose() => _host.Dispose();

    [Theory]
    // Limits, quotas, samples and reports.
    [InlineData("limit rate over 5/second drop", "limit")]
    [InlineData("quota over 5 mbytes drop", "quota")]
    [InlineData("log prefix \"x\"", "log")]
    [InlineData("ct count over 3 drop", "ct count")]
    [InlineData("ct bytes > 1000 drop", "ct bytes")]
    [InlineData("numgen random mod 2 == 0 drop", "numgen")]
    [InlineData("meta hour 3-4 drop", "meta hour")]
    [InlineData("meta nftrace set 1", "meta trace set")]
    // What differs from packet to packet.
    [InlineData("ip dscp cs1 accept", "ip dscp")]
    [InlineData("ip ttl 3 drop", "ip ttl")]
    [InlineData("ip length > 1000 drop", "ip length")]
    [InlineData("meta length > 1000 drop", "meta length")]
    [InlineData("ip frag-off & 0x4000 != 0 drop", "ip frag-off")]
    [InlineData("tcp flags & (psh | ack) == psh drop", "tcp flags")]
    [InlineData("tcp sequence 3 drop", "byte 4 of the transport header")]
    [InlineData("@th,160,32 3 drop", "byte 20 of the transport header")]
    [InlineData("tcp option maxseg size 1000 drop", "exthdr")]
    [InlineData("ether saddr 02:00:00:00:00:01 drop", "byte 6 of the Ethernet header")]
    // Changes and diversions.
    [InlineData("ip dscp set cs1", "a change of the packet")]
    [InlineData("meta priority set 5", "meta priority set")]
    // Sets that live.
    [InlineData("update @seen { ip saddr }", "add or update of a set")]
    [InlineData("ip saddr @seen drop", "the elements of @seen come and go by themselves")]
    // Where only a part of the packets is concerned, that part is.
    [InlineData("iifname docker0 ip daddr 10.5.2.7 tcp dport 80 limit rate over 5/second drop", "limit")]
    [InlineData("ct state established,related ip ttl 3 drop", "ip ttl")]
    [InlineData("ct state new,established ip ttl 3 drop", "ip ttl")]
    [InlineData("ct state != new ip ttl 3 drop", "ip ttl")]
    [InlineData("ct state vmap { established : jump deep, new : accept }", "ip ttl")]
    [InlineData("ip daddr . tcp dport vmap { 10.5.2.7 . 80 : jump deep }", "ip ttl")]
    [InlineData("iifname { \"eth0\", \"docker*\" } ip ttl 3 drop", "ip ttl")]
    [InlineData("meta l4proto { tcp, icmp } ip ttl 3 drop", "ip ttl")]
    [InlineData("ip saddr != 10.5.0.0/16 accept\nadd rule inet t c ip ttl 3 drop", "ip ttl")]
    [InlineData("iif docker0 ip ttl 3 drop", "ip ttl")]
    public void Rule_ThatHasToSeeEveryPacket_ClosesTheShortcutAndIsNamed(string rule, string what)
    {
        Forward(rule);

        var survey = _host.Look();

        var reason = Assert.Single(survey.ShortcutOff);
        Assert.Contains($"({what})", reason, StringComparison.Ordinal);
        Assert.Contains("table inet t, chain ", reason, StringComparison.Ordinal);
        Assert.Contains("ct state new", reason, StringComparison.Ordinal);
        AssertLanesOn(survey);
    }

    [Theory]
    // The same for all packets of a flow.
    [InlineData("ip saddr 10.5.1.7 drop")]
    [InlineData("tcp dport { 22, 80, 1000-2000 } accept")]
    [InlineData("ip saddr . tcp dport { 10.5.1.7 . 80, 10.5.1.8 . 90-99 } drop")]
    [InlineData("ct mark & 0x0000ffff == 1 counter accept")]
    [InlineData("meta mark set ct mark & 0x0000ffff")]
    [InlineData("ct mark set 5")]
    [InlineData("ct state new ct mark 1 drop")]
    [InlineData("iifname eth0 ct mark 1 drop")]
    [InlineData("ct status dnat accept")]
    [InlineData("ct direction original accept")]
    [InlineData("ct original ip saddr 10.5.1.7 accept")]
    [InlineData("fib daddr type local drop")]
    [InlineData("fib saddr . iif oif missing drop")]
    [InlineData("meta mark & 0xff == 0x3 drop")]
    [InlineData("meta pkttype broadcast drop")]
    [InlineData("rt classid 3 drop")]
    [InlineData("counter comment \"all of it\"")]
    [InlineData("reject with icmp type admin-prohibited")]
    [InlineData("notrack")]
    [InlineData("ip saddr @known drop")]
    [InlineData("tcp dport @doors accept")]
    // Never for packets of established flows.
    [InlineData("ct state new limit rate 5/second accept")]
    [InlineData("ct state invalid,untracked log prefix \"bad\" drop")]
    [InlineData("ct state vmap { new : jump deep, invalid : drop, established : accept }")]
    [InlineData("tcp flags syn / fin,syn,rst,ack log")]
    [InlineData("tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu")]
    [InlineData("tcp flags syn tcp option maxseg size set 1400")]
    [InlineData("ip frag-off & 0x1fff != 0 ip ttl 3 drop")]
    [InlineData("ct state established,related accept\nadd rule inet t c limit rate 5/second log prefix \"x\"")]
    [InlineData("jump early\nadd rule inet t c ip ttl 3 drop")]
    // Never for packets of the overlay.
    [InlineData("iifname eth0 limit rate 5/second accept")]
    [InlineData("oifname != { docker0, flannel.1, veth1 } ip ttl 3 drop")]
    [InlineData("ip saddr 192.168.0.0/16 ip ttl 3 drop")]
    [InlineData("ip daddr != 10.0.0.0/8 ip ttl 3 drop")]
    [InlineData("ip daddr 10.5.200.0-10.6.0.0 ip saddr != 10.5.0.0/16 ip ttl 3 drop")]
    [InlineData("meta nfproto ipv6 limit rate 5/second accept")]
    [InlineData("icmp type echo-request limit rate 5/second accept")]
    [InlineData("ip protocol sctp ip ttl 3 drop")]
    [InlineData("iif lo ip ttl 3 drop")]
    // In a chain that nobody calls.
    [InlineData("accept")]
    public void Rule_ThatIsTheSameForAFlowOrForOthers_LeavesTheShortcutOpen(string rule)
    {
        Forward(rule);

        var survey = _host.Look();

        Assert.Empty(survey.ShortcutOff);
        AssertLanesOn(survey);
    }

    /// <summary>A rule like these means another thing as soon as the shortcut's bits are in the mark.</summary>
    [Theory]
    [InlineData("ct mark 1 drop")]
    [InlineData("ct mark != 0 accept")]
    [InlineData("ct mark 0 accept")]
    [InlineData("ct mark & 0x00010000 == 0 accept")]
    [InlineData("ct mark & 0x00ff00ff == 1 accept")]
    [InlineData("ct mark { 1, 2 } accept")]
    [InlineData("ct mark > 5 drop")]
    [InlineData("ct mark 5-9 drop")]
    [InlineData("ct mark vmap { 1 : drop, 2 : accept }")]
    [InlineData("ip daddr . ct mark { 10.5.2.7 . 1 } drop")]
    [InlineData("meta mark set ct mark")]
    [InlineData("meta mark set ct mark | 0x1")]
    [InlineData("ct mark 1 meta mark set 7")]
    public void Rule_ThatLooksAtTheWholeConnectionMark_ClosesTheShortcutAndIsNamed(string rule)
    {
        Forward(rule);

        var survey = _host.Look();

        var reason = Assert.Single(survey.ShortcutOff);
        Assert.Contains("looks at the whole mark of connections (ct mark), where the shortcut keeps 0xffff0000", reason, StringComparison.Ordinal);
        Assert.Contains("table inet t, chain ", reason, StringComparison.Ordinal);
        AssertLanesOn(survey);
    }

    [Theory]
    [InlineData("prerouting", true)]
    [InlineData("forward", true)]
    [InlineData("postrouting", true)]
    [InlineData("input", false)]
    [InlineData("output", false)]
    public void Rule_ByHook_CountsWhereOverlayPacketsPass(string hook, bool closes)
    {
        _host.Nft($"table ip t {{\n chain c {{\n type filter hook {hook} priority 0;\n ip ttl 3 counter\n }}\n}}");

        Assert.Equal(closes, _host.Look().ShortcutOff.Count > 0);
    }

    [Theory]
    [InlineData("prerouting", "dup to 192.0.2.9", "dup")]
    [InlineData("prerouting", "meta l4proto tcp tproxy to :80", "tproxy")]
    [InlineData("forward", "synproxy mss 1460 wscale 7", "synproxy")]
    [InlineData("prerouting", "meta l4proto tcp socket transparent 1 accept", "socket")]
    public void Rule_ThatDiverts_ClosesTheShortcut(string hook, string rule, string what)
    {
        _host.Nft($"table ip t {{\n chain c {{\n type filter hook {hook} priority 0;\n {rule}\n }}\n}}");

        Assert.Contains($"({what})", Assert.Single(_host.Look().ShortcutOff), StringComparison.Ordinal);
    }

    [Fact]
    public void Chain_OfKindNat_IsExempt()
    {
        _host.Nft("table ip t {\n chain c {\n type nat hook prerouting priority 0;\n numgen random mod 2 == 0 limit rate 5/second accept\n }\n}");

        Assert.Empty(_host.Look().ShortcutOff);
    }

    [Theory]
    [InlineData("flags dormant;", false)]
    [InlineData("", true)]
    public void Table_Dormant_IsExempt(string flags, bool closes)
    {
        _host.Nft($"table ip t {{\n {flags}\n chain c {{\n type filter hook forward priority 0;\n ip ttl 3 drop\n }}\n}}");

        Assert.Equal(closes, _host.Look().ShortcutOff.Count > 0);
    }

    [Theory]
    [InlineData(SurveyHost.OwnTable)]
    [InlineData("accelerated-other")]
    public void Table_OfAnAgent_IsExempt(string table)
    {
        _host.Nft($"table inet {table} {{\n chain c {{\n type filter hook forward priority 0;\n ip ttl 3 drop\n }}\n}}");

        Assert.Empty(_host.Look().ShortcutOff);
    }

    [Fact]
    public void BridgeTable_WithRules_ClosesTheShortcut()
    {
        _host.Nft("table bridge b {\n chain c {\n type filter hook forward priority 0;\n }\n}");
        Assert.Empty(_host.Look().ShortcutOff);

        _host.Nft("add rule bridge b c ip saddr 10.5.1.7 drop");
        Assert.Contains("bridge b", Assert.Single(_host.Look().ShortcutOff), StringComparison.Ordinal);
    }

    [Fact]
    public void Rules_ByTheDozen_AreNotAllNamed()
    {
        for (var i = 0; i < 12; i++)
            Forward($"tcp dport {i + 1} limit rate 5/second accept");

        var reasons = _host.Look().ShortcutOff;

        Assert.Equal(6, reasons.Count);
        Assert.Contains("7 more", reasons[^1], StringComparison.Ordinal);
    }

    private static void AssertLanesOn(LaneSurvey survey)
    {
        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.TunnelInOff);
        Assert.Empty(survey.ShortcutOffByInterface);
    }

    private void Forward(string rule) => _host.Nft($$"""
        table inet t {
            set seen { type ipv4_addr; flags dynamic, timeout; timeout 1m; }
            set known { type ipv4_addr; flags interval; elements = { 10.5.1.0/28, 10.5.3.3 } }
            set doors { type inet_service; elements = { 22, 8472 } }
            chain deep {
                ip ttl 3 drop
            }
            chain early {
                ct state { established, related } accept
            }
            chain c {
                type filter hook forward priority 0; policy accept;
            }
        }
        add rule inet t c {{rule}}
        """);
}
