using Accelerated.Agent.Datapath.Lanes.Survey;

namespace Accelerated.System.Tests.Survey;

/// <summary>Which rules keep lanes from sending and decapsulating: those that the driver's own packets would meet.</summary>
public sealed class OuterRulesTests : IDisposable
{
    private readonly SurveyHost _host = new();

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData("udp dport 8472 drop", "drops")]
    [InlineData("udp dport 8472 reject", "drops")]
    [InlineData("udp dport 8000-9000 drop", "drops")]
    [InlineData("th dport 8472 drop", "drops")]
    [InlineData("ip daddr 192.0.2.3 drop", "drops")]
    [InlineData("ip daddr 192.0.2.0/24 meta l4proto udp drop", "drops")]
    [InlineData("ip saddr . udp dport { 192.0.2.1 . 8472 } drop", "drops")]
    [InlineData("oifname eth0 meta mark != 7 drop", "drops")]
    [InlineData("ct state new udp dport vmap { 53 : accept, 8472 : drop }", "drops")]
    [InlineData("udp dport 8472 limit rate over 5/second drop", "drops")]
    [InlineData("udp dport 8472 log", "looks at each packet (log)")]
    [InlineData("udp dport 8472 ip dscp set cs1", "changes or diverts")]
    [InlineData("oifname eth0 ip dscp set cs1", "changes or diverts")]
    [InlineData("udp dport 8472 meta mark set 5", "marks")]
    [InlineData("meta mark 0-5 drop", "drops")]
    [InlineData("meta mark < 5 drop", "drops")]
    [InlineData("meta mark { 0-5, 9-12 } drop", "drops")]
    [InlineData("jump elsewhere", "drops")]
    [InlineData("udp dport != 53 drop", "drops")]
    public void Output_ThatRefusesOrChangesWhatTheDriverSends_TurnsTheLanesOff(string rule, string does)
    {
        Load("output", "accept", rule);

        var survey = _host.Look();

        var reason = Assert.Single(survey.LanesOff);
        Assert.Contains($" {does} ", reason + " ", StringComparison.Ordinal);
        Assert.Contains("table inet t, chain ", reason, StringComparison.Ordinal);
        Assert.Empty(survey.TunnelInOff);
    }

    [Theory]
    [InlineData("udp dport 8472 accept")]
    [InlineData("udp dport 8472 counter accept")]
    [InlineData("udp dport 8472 notrack")]
    [InlineData("udp dport 4789 drop")]
    [InlineData("tcp dport 8472 drop")]
    [InlineData("udp sport 53 drop")]
    [InlineData("ip daddr 192.0.2.9 drop")]
    [InlineData("ip saddr 192.0.2.2 drop")]
    [InlineData("oifname eth1 drop")]
    [InlineData("iifname eth0 drop")]
    [InlineData("ct state invalid drop")]
    [InlineData("meta skuid 1000 drop")]
    [InlineData("meta skuid != 0 drop")]
    [InlineData("meta mark 0x8000 drop")]
    [InlineData("meta mark 1-5 drop")]
    [InlineData("meta mark > 5 drop")]
    [InlineData("meta mark { 1-5, 9-12 } drop")]
    [InlineData("udp dport > 8472 drop")]
    [InlineData("udp dport < 8472 drop")]
    [InlineData("udp dport != 8000-9000 drop")]
    [InlineData("fib daddr type { local, broadcast, multicast } drop")]
    [InlineData("limit rate 5/second log")]
    [InlineData("meta mark set 5")]
    [InlineData("ip6 daddr ::1 drop")]
    public void Output_ThatLeavesTheDriverAlone_LeavesTheLanesOn(string rule)
    {
        Load("output", "accept", rule);

        AssertLanesOn(_host.Look());
    }

    [Theory]
    [InlineData("output", "udp dport 8472 accept", 0)]
    [InlineData("output", "ip daddr 192.0.2.2 accept\nadd rule inet t c ip daddr 192.0.2.3 accept", 0)]
    [InlineData("output", "ip daddr 192.0.2.2 accept", 1)]
    [InlineData("output", "ct state established accept", 1)]
    [InlineData("output", "udp dport 53 accept", 1)]
    [InlineData("postrouting", "udp dport 53 accept", 1)]
    [InlineData("postrouting", "oif eth0 accept", 0)]
    public void Policy_ThatDrops_TurnsTheLanesOffUnlessTheDriverIsAccepted(string hook, string rule, int reasons)
    {
        Load(hook, "drop", rule);

        var survey = _host.Look();

        Assert.Equal(reasons, survey.LanesOff.Count);
        Assert.All(survey.LanesOff, r => Assert.Contains("policy of chain c", r, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("input", "drop", "udp dport 53 accept", 1)]
    [InlineData("input", "drop", "udp dport 8472 accept", 0)]
    [InlineData("input", "drop", "iif eth0 ip saddr { 192.0.2.2, 192.0.2.3 } accept", 0)]
    [InlineData("input", "accept", "udp dport 8472 drop", 1)]
    [InlineData("input", "accept", "ip saddr 192.0.2.3 drop", 1)]
    [InlineData("input", "accept", "ip saddr 192.0.2.9 drop", 0)]
    [InlineData("input", "accept", "ip saddr @live drop", 1)]
    [InlineData("input", "accept", "tcp dport 22 ip saddr @live drop", 0)]
    [InlineData("prerouting", "accept", "udp dport 8472 drop", 1)]
    [InlineData("prerouting", "accept", "fib saddr . iif oif missing drop", 0)]
    [InlineData("forward", "accept", "udp dport 8472 drop", 0)]
    public void Input_ThatRefusesWhatTheDriverReceives_KeepsProgramsFromDecapsulating(string hook, string policy, string rule, int reasons)
    {
        Load(hook, policy, rule);

        var survey = _host.Look();

        Assert.Equal(reasons, survey.TunnelInOff.Count);
        Assert.Empty(survey.LanesOff);
    }

    [Theory]
    [InlineData("type route hook output", "meta mark set 5", true)]
    [InlineData("type nat hook output", "udp dport 8472 dnat ip to 192.0.2.9", true)]
    [InlineData("type nat hook postrouting", "oifname eth0 masquerade", false)]
    [InlineData("type nat hook postrouting", "udp dport 8472 masquerade", true)]
    public void Chain_OfAnotherKind_CountsIfItReroutesOrNamesThePort(string kind, string rule, bool off)
    {
        _host.Nft($"table inet t {{\n chain c {{\n {kind} priority 0;\n {rule}\n }}\n}}");

        Assert.Equal(off, _host.Look().LanesOff.Count > 0);
    }

    [Theory]
    [InlineData("-A OUTPUT -p udp -m udp --dport 8472 -j DROP", 1)]
    [InlineData("-A OUTPUT -d 192.0.2.0/24 -j REJECT", 1)]
    [InlineData("-A OUTPUT -o eth+ -p udp -m multiport --dports 53,8000:9000 -j DROP", 1)]
    [InlineData("-A OUTPUT ! -o eth+ -p udp -j DROP", 0)]
    [InlineData("-A OUTPUT -p udp -m udp --dport 8472 -m owner --uid-owner 5 -j DROP", 0)]
    [InlineData("-A OUTPUT -m mark ! --mark 0x1/0x1 -g later", 1)]
    [InlineData("-A OUTPUT -p udp -g calm\n-A OUTPUT -p udp -j DROP", 0)]
    [InlineData("-A OUTPUT -p udp -j calm\n-A OUTPUT -p udp -j DROP", 1)]
    [InlineData("-A OUTPUT -m addrtype --dst-type LOCAL -j DROP", 0)]
    [InlineData("-A OUTPUT -m addrtype ! --dst-type LOCAL -j later", 1)]
    [InlineData("-A OUTPUT -m state --state INVALID -j DROP", 0)]
    [InlineData("-A OUTPUT -m state --state NEW -j DROP", 1)]
    [InlineData("-A OUTPUT -m conntrack ! --ctstate NEW,ESTABLISHED -j DROP", 0)]
    [InlineData("-A OUTPUT -p tcp -j DROP", 0)]
    [InlineData("-A OUTPUT -f -j DROP", 0)]
    [InlineData("-A OUTPUT -p udp -m udp --dport 8472 -j ACCEPT\n-A OUTPUT -j DROP", 0)]
    [InlineData("-A OUTPUT -p udp -m udp --dport 8472\n-A OUTPUT -p tcp -j later", 0)]
    public void Iptables_OfBothKinds_AreReadAlike(string rules, int reasons)
    {
        var set = $"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:calm - [0:0]\n:later - [0:0]\n{rules}\n-A calm -p tcp -j ACCEPT\n-A later -p udp -j DROP\nCOMMIT\n";

        _host.Legacy(set);
        var legacy = _host.Look();
        _host.Legacy("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n");
        Assert.Empty(_host.Look().LanesOff);
        _host.Iptables(set);
        var nft = _host.Look();

        Assert.Equal(reasons, legacy.LanesOff.Count);
        Assert.Equal(reasons, nft.LanesOff.Count);
        Assert.All(legacy.LanesOff, r => Assert.Contains("iptables-legacy", r, StringComparison.Ordinal));
        Assert.All(nft.LanesOff, r => Assert.Contains("nftables", r, StringComparison.Ordinal));
    }

    private static void AssertLanesOn(LaneSurvey survey)
    {
        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.TunnelInOff);
    }

    private void Load(string hook, string policy, string rule) => _host.Nft($$"""
        table inet t {
            set live { type ipv4_addr; flags timeout; }
            chain elsewhere {
                tcp dport 22 accept
                meta l4proto udp goto further
            }
            chain further {
                udp dport 8472 drop
            }
            chain c {
                type filter hook {{hook}} priority 0; policy {{policy}};
            }
        }
        add rule inet t c {{rule}}
        """);
}
