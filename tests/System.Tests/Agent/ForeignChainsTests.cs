using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Interop.Nftables;
using Accelerated.System.Tests.Survey;

namespace Accelerated.System.Tests.Agent;

/// <summary>Our rules in the chains of real iptables of both kinds, in a namespace of their own, with iptables-save as the witness.</summary>
public sealed class ForeignChainsTests : IDisposable
{
    private const string Centos = """
        *filter
        :INPUT ACCEPT [0:0]
        :FORWARD ACCEPT [0:0]
        :OUTPUT ACCEPT [0:0]
        -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
        -A INPUT -p icmp -j ACCEPT
        -A INPUT -i lo -j ACCEPT
        -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
        -A INPUT -j REJECT --reject-with icmp-host-prohibited
        -A FORWARD -j REJECT --reject-with icmp-host-prohibited
        COMMIT

        """;

    private const string In = "-s 10.5.0.0/16 -d 10.5.1.0/24 -i flannel.1 -m comment --comment \"accelerated default\" -j ACCEPT";
    private const string Out = "-s 10.5.1.0/24 -d 10.5.0.0/16 -o flannel.1 -m comment --comment \"accelerated default\" -j ACCEPT";
    private const string Port = "-i eth0 -p udp -m udp --dport 8472 -m comment --comment \"accelerated default\" -j ACCEPT";

    private readonly SurveyHost _host = new();
    private readonly HostRules _rules = new("default");
    private readonly ForeignChains _chains;

    public ForeignChainsTests() => _chains = new("default", _rules, TimeProvider.System);

    public void Dispose()
    {
        _rules.Dispose();
        _host.Dispose();
    }

    public static TheoryData<bool, string, string[]> RuleSets_ => new()
    {
        { false, "nothing", [] },
        { true, "nothing", [] },
        { false, "Docker 20", [$"-A DOCKER-USER {In}", $"-A DOCKER-USER {Out}", "-A DOCKER-USER -j RETURN"] },
        { true, "Docker 20", [$"-A DOCKER-USER {In}", $"-A DOCKER-USER {Out}", "-A DOCKER-USER -j RETURN"] },
        {
            false, "Docker 28",
            ["-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP", $"-A PREROUTING {In}", "-A PREROUTING -d 10.5.1.2/32 ! -i docker0 -j DROP", $"-A DOCKER-USER {In}", $"-A DOCKER-USER {Out}"]
        },
        {
            true, "Docker 28",
            ["-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8080 -j DROP", $"-A PREROUTING {In}", "-A PREROUTING -d 10.5.1.2/32 ! -i docker0 -j DROP", $"-A DOCKER-USER {In}", $"-A DOCKER-USER {Out}"]
        },
        { false, "CentOS", [$"-A INPUT {Port}", "-A INPUT -j REJECT --reject-with icmp-host-prohibited", $"-A FORWARD {In}", $"-A FORWARD {Out}", "-A FORWARD -j REJECT --reject-with icmp-host-prohibited"] },
        { true, "CentOS", [$"-A INPUT {Port}", "-A INPUT -j REJECT --reject-with icmp-host-prohibited", $"-A FORWARD {In}", $"-A FORWARD {Out}", "-A FORWARD -j REJECT --reject-with icmp-host-prohibited"] },
    };

    [Theory]
    [MemberData(nameof(RuleSets_))]
    public void Rules_InAnyIptables_ArePutInOnceAndTakenOutAgain(bool isLegacy, string what, string[] expected)
    {
        if (what != "nothing")
            Load(isLegacy, what switch { "Docker 20" => RuleSets.Docker20, "Docker 28" => RuleSets.Docker28, _ => Centos });
        var before = Save();
        var spec = Spec();

        var report = Apply(spec);

        Assert.Empty(report.Problems);
        Assert.Equal(expected.Length > 0, report.Changes.Count > 0);
        var lines = Save().Split('\n');
        foreach (var line in expected)
            Assert.Single(lines, l => l == line);
        // In this order, one behind the other where they are in one chain.
        foreach (var chain in expected.GroupBy(l => l.Split(' ')[1]))
            Assert.Equal(chain, lines.Where(l => chain.Contains(l)));
        Assert.Equal(isLegacy && expected.Length > 0, report.LookAgain is not null);

        // Looking costs no process and changes nothing.
        var generation = Generation();
        Assert.Empty(Apply(spec).Changes);
        Assert.Empty(new ForeignChains("default", _rules, TimeProvider.System, search: []) is var another ? _host.Namespace.Invoke(() => another.Apply(spec)).Problems : []);
        Assert.Equal(generation, Generation());

        Assert.Equal(expected.Length > 0, _host.Namespace.Invoke(_chains.Find).Count > 0);
        _host.Namespace.Invoke(() =>
        {
            _chains.Remove();
            return 0;
        });
        Assert.Equal(before, Save());
        Assert.Empty(_host.Namespace.Invoke(_chains.Find));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rules_OfOurs_AreNoChangeForTheSurvey(bool isLegacy)
    {
        Load(isLegacy, Centos);
        Assert.NotEmpty(_host.Look().TunnelInOff);
        Apply(Spec() with { Port = PortOpening.Declined, Forward = false });
        var fingerprint = _host.Look().Fingerprint;

        Apply(Spec());

        var survey = _host.Look();
        Assert.Equal(fingerprint, survey.Fingerprint);
        Assert.Empty(survey.TunnelInOff);
        Assert.Empty(survey.ShortcutOff);
        Assert.Empty(survey.LanesOff);
        // Anybody else's is.
        _host.Namespace.Run(isLegacy ? "iptables-legacy" : "iptables-nft", "-I", "FORWARD", "2", "-s", "10.5.1.7", "-j", "DROP");
        Assert.NotEqual(fingerprint, _host.Look().Fingerprint);
        Assert.Equal(2, Save().Split('\n').Count(l => l.StartsWith("-A FORWARD -s 10.5", StringComparison.Ordinal) && l.Contains("accelerated", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rules_ThatSomebodyTakesAway_ComeBack(bool isLegacy)
    {
        Load(isLegacy, Centos);
        var spec = Spec();
        Apply(spec);
        var whole = Save();

        foreach (var chain in (string[])["INPUT", "FORWARD"])
        {
            _host.Namespace.Run(isLegacy ? "iptables-legacy" : "iptables-nft", "-D", chain, chain == "INPUT" ? "5" : "1");
            Assert.NotEqual(whole, Save());
            Assert.NotEmpty(Apply(spec).Changes);
            Assert.Equal(whole, Save());
        }
    }

    [Fact]
    public void Transactions_OfTheCommand_AreKnownAsOurs()
    {
        Load(false, Centos);
        var events = new List<NftablesEvent>();
        using var monitor = _host.Namespace.Invoke(() => NftablesMonitor.Start(e =>
        {
            lock (events)
                events.Add(e);
        }));

        Apply(Spec());
        _host.Namespace.Run("iptables-nft", "-A", "OUTPUT", "-j", "ACCEPT");

        Assert.True(SpinWait.SpinUntil(() => Count() >= 2, TimeSpan.FromSeconds(5)));
        lock (events)
        {
            Assert.Equal([true, false], events.Select(e => _chains.IsOwn(e.PortId)));
        }

        int Count()
        {
            lock (events)
                return events.Count;
        }
    }

    [Fact]
    public void Iptables_ThatIsNotInstalled_IsAProblemWithARemedy()
    {
        Load(false, Centos);
        var chains = new ForeignChains("default", _rules, TimeProvider.System, search: ["/nowhere"]);

        for (var i = 0; i < 2; i++)
        {
            var report = _host.Namespace.Invoke(() => chains.Apply(Spec()));
            Assert.Empty(report.Changes);
            var problem = Assert.Single(report.Problems);
            Assert.Equal("iptables", problem.Code);
            Assert.Contains("iptables-nft-restore is not installed", problem.Message, StringComparison.Ordinal);
            Assert.Contains("apt-get install iptables", problem.Remedy, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Iptables_ThatRefuses_IsAskedAgainLaterOrWhenTheRulesAreOthers()
    {
        Load(false, Centos);
        var folder = Directory.CreateTempSubdirectory("iptables-").FullName;
        try
        {
            var fake = Path.Combine(folder, "iptables-nft-restore");
            File.WriteAllText(fake, $"#!/bin/sh\necho x >>{folder}/asked\necho 'no such luck' >&2\nexit 4\n");
            File.SetUnixFileMode(fake, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var chains = new ForeignChains("default", _rules, TimeProvider.System, search: [folder]);

            for (var i = 0; i < 3; i++)
                Assert.Contains("no such luck", Assert.Single(_host.Namespace.Invoke(() => chains.Apply(Spec())).Problems).Message, StringComparison.Ordinal);
            Assert.Single(File.ReadAllLines($"{folder}/asked"));
            _host.Namespace.Run("iptables-nft", "-I", "FORWARD", "-s", "10.9.0.0/16", "-j", "ACCEPT");
            _host.Namespace.Invoke(() => chains.Apply(Spec()));
            Assert.Equal(2, File.ReadAllLines($"{folder}/asked").Length);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Table_OfNftables_ThatRefuses_IsNamed()
    {
        _host.Nft("""
            table inet filter {
                chain input {
                    type filter hook input priority filter; policy drop;
                    ct state established,related accept
                    iifname "lo" accept
                    tcp dport 22 accept
                }
                chain forward {
                    type filter hook forward priority filter; policy accept;
                    reject with icmpx admin-prohibited
                }
            }
            """);

        var report = Apply(Spec());

        Assert.Empty(report.Changes);
        Assert.Equal(["forward-closed", "port-closed"], report.Problems.Select(p => p.Code).Order());
        foreach (var problem in report.Problems)
        {
            // The remedy is a command that works.
            var command = problem.Remedy.Split('\'')[1];
            _host.Namespace.Run("sh", "-c", command);
        }

        Assert.Empty(Apply(Spec()).Problems);
    }

    private ForeignSpec Spec() => new(_host.Device.Overlay, _host.Device.Network, _host.Device.Subnet, "eth0", _host.Device with { Peers = [] }, false, true, PortOpening.Open);

    private ForeignReport Apply(ForeignSpec spec) => _host.Namespace.Invoke(() => _chains.Apply(spec));

    private uint? Generation() => _host.Namespace.Invoke(() =>
    {
        using var socket = NftablesSocket.TryOpen();
        return socket?.GetGeneration();
    });

    private void Load(bool isLegacy, string rules)
    {
        if (isLegacy)
            _host.Legacy(rules);
        else
            _host.Iptables(rules);
    }

    private string Save() => string.Join('\n',
        $"{_host.Namespace.Run("iptables-nft-save")}\n{_host.Namespace.Run("iptables-legacy-save")}".Split('\n').Where(l => l.Length > 0 && l[0] is '-' or '*'));
}
