using System.Globalization;
using System.Text;

namespace Accelerated.System.Tests.Survey;

/// <summary>Looking again and again: what counts as a change, what tracks connections, and what it costs.</summary>
public sealed class HostSurveyTests : IDisposable
{
    private const string Rules = """
        table ip t {
            set known { type ipv4_addr; elements = { 10.5.1.1 } }
            set live { type ipv4_addr; flags timeout; }
            chain c {
                type filter hook forward priority 0; policy accept;
                ip saddr @known counter quota over 5 mbytes drop
            }
        }
        """;

    private readonly SurveyHost _host = new();

    public void Dispose() => _host.Dispose();

    [Fact]
    public void Look_WithoutChanges_IsTheVerySameAnswer()
    {
        _host.Nft(Rules);

        Assert.Same(_host.Look(), _host.Look());
    }

    [Theory]
    [InlineData("add rule ip t c accept", true)]
    [InlineData("add chain ip t d", true)]
    [InlineData("add chain ip t c { policy drop; }", true)]
    [InlineData("add element ip t known { 10.5.1.2 }", true)]
    [InlineData("add table ip other", false)]
    [InlineData("add element ip t live { 10.5.1.2 timeout 1h }", false)]
    [InlineData("add rule inet accelerated-default c ip ttl 3 drop", false)]
    public void Fingerprint_OnlyChangesOfForeignRules_ChangeIt(string command, bool changes)
    {
        _host.Nft(Rules + "\ntable inet accelerated-default {\n chain c {\n type filter hook forward priority 0;\n }\n}");
        var before = _host.Look().Fingerprint;

        _host.Nft(command);

        Assert.Equal(changes, _host.Look().Fingerprint != before);
    }

    [Fact]
    public void Fingerprint_CountersThatCount_LeaveIt()
    {
        _host.Nft("table ip t {\n chain c {\n type filter hook output priority 0;\n counter quota over 100 bytes\n }\n}");
        _host.Legacy("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j ACCEPT\nCOMMIT\n");
        var before = _host.Look().Fingerprint;

        _host.Namespace.Run("ping", "-c", "1", "-W", "1", "127.0.0.1");
        _host.Nft($"add table inet {SurveyHost.OwnTable}"); // Another generation: everything is read again.

        Assert.Matches("packets [1-9]", _host.Namespace.Run("nft", "list", "ruleset"));
        Assert.Equal(before, _host.Look().Fingerprint);
    }

    [Theory]
    [InlineData("iptables-legacy", "-A", "FORWARD", "-j", "ACCEPT")]
    [InlineData("ip", "xfrm", "policy", "add", "src", "198.51.100.1", "dst", "198.51.100.2", "dir", "out")]
    [InlineData("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "1mbit", "burst", "32kbit", "latency", "400ms")]
    public void Fingerprint_WhatIsConfiguredOtherwise_ChangesIt(string command, params string[] arguments)
    {
        var before = _host.Look().Fingerprint;

        _host.Namespace.Run(command, arguments);

        Assert.NotEqual(before, _host.Look().Fingerprint);
    }

    [Fact]
    public void Fingerprint_AQueueOnAContainersInterface_ClosesItAndLeavesTheFingerprint()
    {
        var before = _host.Look();

        _host.Tc("qdisc add dev veth1 root tbf rate 1mbit burst 32kbit latency 400ms");

        var after = _host.Look();
        Assert.Equal(before.Fingerprint, after.Fingerprint);
        Assert.Empty(before.ShortcutOffByInterface);
        Assert.Single(after.ShortcutOffByInterface);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("table ip t {\n chain c {\n type filter hook forward priority 0;\n tcp dport 22 drop\n }\n}", false)]
    [InlineData("table ip t {\n chain c {\n type filter hook forward priority 0;\n ct state invalid drop\n }\n}", true)]
    [InlineData("table ip t {\n chain c {\n type nat hook postrouting priority 0;\n }\n}", false)]
    [InlineData("table ip t {\n chain c {\n type nat hook postrouting priority 0;\n masquerade\n }\n}", true)]
    [InlineData("table inet accelerated-default {\n chain c {\n type filter hook forward priority 0;\n ct state invalid drop\n }\n}", false)]
    [InlineData("table inet accelerated-default {\n chain c {\n type nat hook postrouting priority 0;\n masquerade\n }\n}", true)]
    public void ConntrackInUse_ByForeignRulesOrOurMasquerade_IsSeen(string rules, bool inUse)
    {
        _host.Nft(rules);

        Assert.Equal(inUse, _host.Look().ConntrackInUse);
    }

    [Theory]
    [InlineData("-t filter -A FORWARD -j ACCEPT", false)]
    [InlineData("-t filter -A FORWARD -m conntrack --ctstate INVALID -j DROP", true)]
    [InlineData("-t nat -A POSTROUTING -o eth0 -j MASQUERADE", true)]
    public void ConntrackInUse_ByIptables_IsSeen(string rule, bool inUse)
    {
        foreach (var tool in (string[])["iptables-nft", "iptables-legacy"])
        {
            _host.Namespace.Run(tool, rule.Split(' '));
            Assert.Equal(inUse, _host.Look().ConntrackInUse);
            _host.Nft("flush ruleset");
            _host.Legacy("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n");
            Assert.False(_host.Look().ConntrackInUse);
        }
    }

    [Fact]
    public void Look_AtLegacyIptables_DoesNotBringItUp()
    {
        _host.Look();

        Assert.Empty(_host.Namespace.Run("cat", "/proc/self/net/ip_tables_names"));
    }

    [Fact]
    public void Look_AtAThousandRules_IsCheapAndCheaperWhenNothingChanged()
    {
        var rules = new StringBuilder("*filter\n:FORWARD ACCEPT [0:0]\n:SERVICES - [0:0]\n-A FORWARD -j SERVICES\n");
        for (var i = 0; i < 1000; i++)
        {
            rules.Append(CultureInfo.InvariantCulture,
                $"-A SERVICES -d 10.96.{i / 250}.{(i % 250) + 1}/32 -p tcp -m comment --comment \"ns/service{i}:http\" -m tcp --dport {1000 + i} -m conntrack --ctstate NEW -j REJECT\n");
        }

        _host.Iptables(rules.Append("COMMIT\n").ToString());
        _host.Look();

        var again = Median(_ => { });
        var changed = Median(i => _host.Nft($"add rule ip filter FORWARD tcp dport {i + 1} counter"));

        TestContext.Current.SendDiagnosticMessage("1000 rules: {0:F2} ms of CPU when nothing changed, {1:F2} ms after a change", again, changed);
        Assert.True(again * 3 < changed, $"{again:F2} ms when nothing changed, {changed:F2} ms after a change");

        // Of CPU: the machine may be busy with other things.
        double Median(Action<int> before) => Enumerable.Range(0, 15).Select(i =>
        {
            before(i);
            var start = Environment.CpuUsage.TotalTime;
            _host.Look();
            return (Environment.CpuUsage.TotalTime - start).TotalMilliseconds;
        }).Order().ElementAt(7);
    }

    [Fact]
    public void Device_OfAnotherPort_IsJudgedAnew()
    {
        _host.Nft("table inet t {\n chain c {\n type filter hook output priority 0;\n udp dport 8472 drop\n }\n}");
        Assert.Single(_host.Look().LanesOff);

        _host.Device = _host.Device with { Port = 4789 };

        Assert.Empty(_host.Look().LanesOff);
    }
}
