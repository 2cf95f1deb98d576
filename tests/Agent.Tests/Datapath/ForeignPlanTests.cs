using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Tests.Datapath;

/// <summary>
/// The plan alone, on chains that are written down here in a shorthand of iptables. What kernels and iptables really say is in System.Tests.
/// </summary>
public sealed class ForeignPlanTests
{
    private const string Comment = "accelerated default";
    private const string In = "-s 10.5.0.0/16 -d 10.5.1.0/24 -i flannel.1";
    private const string Out = "-s 10.5.1.0/24 -d 10.5.0.0/16 -o flannel.1";
    private const string From = "-s 10.5.1.0/24";
    private const string To = "-d 10.5.1.0/24";
    private const string Port = "-i eth0 -p udp -m udp --dport 8472";
    private const string OursIn = In + " # -j ACCEPT";
    private const string OursOut = Out + " # -j ACCEPT";
    private const string OursPort = "-i eth0 -p udp --dport 8472 # -j ACCEPT";

    private static readonly ForeignSpec Spec = new(
        AddressFamily.InterNetwork, IPNetwork.Parse("10.5.0.0/16"), IPNetwork.Parse("10.5.1.0/24"), "eth0", Overlay.Device(), false, true, PortOpening.Open);

    /// <summary>Chains ("NAME [POLICY]: rule; rule") and the script that is expected, lines separated by bars.</summary>
    public static TheoryData<string, string[], string> Chains => new()
    {
        { "nothing there", [], "" },
        { "nothing refuses", ["FORWARD ACCEPT:", "INPUT ACCEPT:"], "" },
        { "no iptables of Docker, policy drop", ["FORWARD DROP:"], $"-A FORWARD {From}|-A FORWARD {To}" },
        { "policy drop, behind what others put", ["FORWARD DROP: -d 10.5.1.7/32 -j DROP; -s 10.9.0.0/16 -j ACCEPT"], $"-A FORWARD {From}|-A FORWARD {To}" },
        { "a reject at the end, and policy drop", ["FORWARD DROP: -d 10.9.0.0/16 -j ACCEPT; -j DROP"], $"-I FORWARD 2 {In}|-I FORWARD 3 {Out}" },
        { "only what they send is accepted", ["FORWARD DROP: -s 10.5.1.0/24 -j ACCEPT"], $"-A FORWARD {To}" },
        { "a reject at the end", ["FORWARD ACCEPT: -d 10.9.0.0/16 -j ACCEPT; -j DROP"], $"-I FORWARD 2 {In}|-I FORWARD 3 {Out}" },
        { "flannel's rules accept already", ["FORWARD DROP: -s 10.5.0.0/16 -j ACCEPT; -d 10.5.0.0/16 -j ACCEPT"], "" },
        { "one direction is accepted", ["FORWARD DROP: -o flannel.1 -j ACCEPT"], $"-A FORWARD {From}|-A FORWARD {To}" },
        { "one container is refused on purpose", ["FORWARD ACCEPT: -d 10.5.1.7/32 -j DROP"], "" },
        { "Docker 20.10", ["DOCKER-USER: -j RETURN", "FORWARD DROP: -j DOCKER-USER"], $"-I DOCKER-USER 1 {In}|-I DOCKER-USER 2 {Out}" },
        { "the operator refuses first", ["DOCKER-USER: -d 10.5.1.7/32 -j DROP; -j RETURN", "FORWARD DROP: -j DOCKER-USER"], $"-I DOCKER-USER 2 {In}|-I DOCKER-USER 3 {Out}" },
        { "a return for some is not the end", ["DOCKER-USER: -s 10.9.0.0/16 -j RETURN; -d 10.5.1.7/32 -j DROP", "FORWARD DROP: -j DOCKER-USER"], $"-A DOCKER-USER {In}|-A DOCKER-USER {Out}" },
        { "as it should be", [$"DOCKER-USER: {OursIn}; {OursOut}; -j RETURN", "FORWARD DROP: -j DOCKER-USER"], "" },
        { "the order of ours does not matter", [$"DOCKER-USER: {OursOut}; {OursIn}", "FORWARD DROP: -j DOCKER-USER"], "" },
        {
            "the operator adds a rule behind ours", [$"DOCKER-USER: {OursIn}; {OursOut}; -d 10.5.1.7/32 -j DROP", "FORWARD DROP: -j DOCKER-USER"],
            $"-D DOCKER-USER {In}|-D DOCKER-USER {Out}|-A DOCKER-USER {In}|-A DOCKER-USER {Out}"
        },
        {
            "one of ours is twice there", [$"DOCKER-USER: {OursIn}; {OursIn}; {OursOut}", "FORWARD DROP: -j DOCKER-USER"],
            $"-D DOCKER-USER {In}|-D DOCKER-USER {In}|-D DOCKER-USER {Out}|-A DOCKER-USER {In}|-A DOCKER-USER {Out}"
        },
        {
            "ours of another subnet", ["DOCKER-USER: -s 10.5.0.0/16 -d 10.5.9.0/24 -i flannel.1 # -j ACCEPT", "FORWARD DROP: -j DOCKER-USER"],
            $"-D DOCKER-USER -s 10.5.0.0/16 -d 10.5.9.0/24 -i flannel.1|-A DOCKER-USER {In}|-A DOCKER-USER {Out}"
        },
        { "DOCKER-USER that nobody calls", ["DOCKER-USER:", "FORWARD DROP:"], $"-A FORWARD {From}|-A FORWARD {To}" },
        {
            "Docker comes", [$"DOCKER-USER:", $"FORWARD DROP: -j DOCKER-USER; {OursIn}; {OursOut}"],
            $"-A DOCKER-USER {In}|-A DOCKER-USER {Out}|-D FORWARD {In}|-D FORWARD {Out}"
        },
        { "Docker 28 without containers", ["DOCKER-FORWARD:", "DOCKER-USER:", "FORWARD DROP: -j DOCKER-USER"], $"-A PREROUTING {In}|-A DOCKER-USER {In}|-A DOCKER-USER {Out}" },
        { "a container of Docker 28", ["raw PREROUTING ACCEPT: -d 10.5.1.2/32 ! -i docker0 -j DROP"], $"-I PREROUTING 1 {In}" },
        { "one of its ports", ["raw PREROUTING ACCEPT: -d 10.5.1.2/32 ! -i docker0 -p udp --dport 53 -j DROP"], $"-I PREROUTING 1 {In}" },
        { "the operator refuses before Docker", ["raw PREROUTING ACCEPT: -d 10.5.1.7/32 -j DROP; -d 10.5.1.2/32 ! -i docker0 -j DROP"], $"-I PREROUTING 2 {In}" },
        { "containers of another network", ["raw PREROUTING ACCEPT: -d 172.18.0.2/32 ! -i br0 -j DROP"], "" },
        { "a container that may only be reached by the overlay", ["raw PREROUTING ACCEPT: -d 10.5.1.2/32 ! -i flannel.1 -j DROP"], "" },
        { "the last container is gone", [$"raw PREROUTING ACCEPT: {OursIn}"], "" },
        {
            "raw rules were put before ours", [$"raw PREROUTING ACCEPT: -d 10.5.1.2/32 ! -i docker0 -j DROP; {OursIn}"],
            $"-D PREROUTING {In}|-I PREROUTING 1 {In}"
        },
        { "INPUT as CentOS has it", ["INPUT ACCEPT: -i lo -j ACCEPT; -p tcp --dport 22 -j ACCEPT; -j DROP"], $"-I INPUT 3 {Port}" },
        { "INPUT with policy drop", ["INPUT DROP: -i lo -j ACCEPT"], $"-A INPUT {Port}" },
        { "INPUT lets everybody send to the port", ["INPUT DROP: -p udp --dport 8472 -j ACCEPT"], "" },
        { "INPUT lets one node send to it", ["INPUT DROP: -s 192.0.2.2/32 -p udp --dport 8472 -j ACCEPT"], $"-A INPUT {Port}" },
        { "INPUT refuses one node on purpose", ["INPUT ACCEPT: -s 192.0.2.2/32 -j DROP"], "" },
        { "INPUT refuses one node, and then all", ["INPUT ACCEPT: -s 192.0.2.2/32 -j DROP; -j DROP"], $"-I INPUT 2 {Port}" },
        { "INPUT refuses in a chain of its own", ["sub: -p udp -j DROP", "INPUT ACCEPT: -i lo -j ACCEPT; -j sub"], $"-I INPUT 2 {Port}" },
        { "INPUT does not refuse any more", [$"INPUT ACCEPT: {OursPort}"], $"-D INPUT {Port}" },
        { "a rule of ours that somebody changed is theirs", ["FORWARD ACCEPT: -s 10.5.0.0/16 ! -i flannel.1 # -j ACCEPT"], "" },
    };

    [Theory]
    [MemberData(nameof(Chains))]
    public void Plan_ForChains_ChangesWhatIsMissing(string what, string[] chains, string script)
    {
        Assert.NotEmpty(what);
        Assert.Equal(script, Script(chains, Spec));
        // Legacy tables are no different.
        Assert.Equal(script, Script(chains, Spec, isLegacy: true));
    }

    [Fact]
    public void Plan_OnceCarriedOut_IsEmpty()
    {
        foreach (var row in Chains)
        {
            var chains = row.Data.Item2.ToList();
            foreach (var edit in ForeignPlan.Make(Tables(chains, false), Comment, "accelerated-default", Spec).Edits)
            {
                var (table, at) = (edit.Table == "filter" ? "" : edit.Table + " ", chains.FindIndex(c => c.StartsWith((edit.Table == "filter" ? "" : edit.Table + " ") + edit.Chain, StringComparison.Ordinal)));
                var (head, rules) = at < 0 ? ($"{table}{edit.Chain} ACCEPT", []) : (chains[at].Split(':')[0], Rules(chains[at]));
                rules.RemoveAll(r => r.Contains('#', StringComparison.Ordinal));
                rules.InsertRange(edit.Place, edit.Insert.Select(r => r.Text(Comment).Replace("-m comment --comment \"accelerated default\"", "#", StringComparison.Ordinal).Replace("-m udp ", "", StringComparison.Ordinal)));
                var chain = $"{head}: {string.Join("; ", rules)}";
                if (at < 0)
                    chains.Add(chain);
                else
                    chains[at] = chain;
            }

            Assert.Equal("", Script([.. chains], Spec));
            var left = Script([.. chains], null);
            Assert.DoesNotContain("-A", left, StringComparison.Ordinal);
            Assert.DoesNotContain("-I", left, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Plan_WithPlainRoutes_AcceptsOnTheUnderlayToo()
    {
        const string byUnderlay = "-s 10.5.0.0/16 -d 10.5.1.0/24 -i eth0", outByUnderlay = "-s 10.5.1.0/24 -d 10.5.0.0/16 -o eth0";
        string[] forward = ["FORWARD ACCEPT: -j DROP"], docker = ["raw PREROUTING ACCEPT: -d 10.5.1.2/32 ! -i docker0 -j DROP", "DOCKER-USER:", "FORWARD DROP: -j DOCKER-USER", "INPUT DROP:"];

        Assert.Equal($"-I FORWARD 1 {In}|-I FORWARD 2 {byUnderlay}|-I FORWARD 3 {Out}|-I FORWARD 4 {outByUnderlay}", Script(forward, Spec with { IsDirect = true }));
        Assert.Equal($"-I PREROUTING 1 {byUnderlay}|-A DOCKER-USER {byUnderlay}|-A DOCKER-USER {outByUnderlay}", Script(docker, Spec with { IsDirect = true, Device = null }));
    }

    [Fact]
    public void Plan_WithoutForwardRules_TakesThemAway()
    {
        string[] chains = [$"raw PREROUTING ACCEPT: {OursIn}; -d 10.5.1.2/32 ! -i docker0 -j DROP", $"DOCKER-USER: {OursIn}; {OursOut}", "FORWARD DROP: -j DOCKER-USER"];

        Assert.Equal($"-D PREROUTING {In}|-D DOCKER-USER {In}|-D DOCKER-USER {Out}", Script(chains, Spec with { Forward = false }));
    }

    [Theory]
    [InlineData(PortOpening.Open, false, null)]
    [InlineData(PortOpening.Keep, false, "its own rules")]
    [InlineData(PortOpening.Keep, true, null)]
    [InlineData(PortOpening.Unguarded, false, "--guard=vtep")]
    [InlineData(PortOpening.Unguarded, true, "--guard=vtep")]
    [InlineData(PortOpening.Declined, false, "--open-port=false")]
    public void Port_OpenOnlyBehindTheGuard_OrSaysWhyNot(PortOpening port, bool isThere, string? remedy)
    {
        var tables = Tables([$"INPUT DROP: {(isThere ? OursPort : "")}"], false);

        var plan = ForeignPlan.Make(tables, Comment, "accelerated-default", Spec with { Port = port });

        Assert.Equal(port is PortOpening.Open or PortOpening.Unguarded && (port == PortOpening.Open) != isThere, plan.Edits.Count == 1);
        if (remedy is null)
            Assert.Empty(plan.Problems);
        else
            Assert.Contains(remedy, Assert.Single(plan.Problems, p => p.Code == "port-closed").Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("input", FilterHook.Input, "port-closed", "nft insert rule inet filter input iifname \"eth0\" udp dport 8472 accept")]
    [InlineData("fwd", FilterHook.Forward, "forward-closed", "nft insert rule inet filter fwd iifname \"flannel.1\" ip saddr 10.5.0.0/16 ip daddr 10.5.1.0/24 accept")]
    public void Table_OfAnotherProgram_IsNamedAndLeftAlone(string chain, FilterHook hook, string code, string remedy)
    {
        FilterTable Table(params string[] rules) => new(FilterFamily.Inet, "filter", false, false, [new(chain, hook, "filter", true, [], [.. rules.Select(Rule)])]);

        var plan = ForeignPlan.Make([Table()], Comment, "accelerated-default", Spec);

        Assert.Empty(plan.Edits);
        var problem = Assert.Single(plan.Problems);
        Assert.Equal(code, problem.Code);
        Assert.Contains($"chain {chain} of the nftables table inet filter", problem.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, problem.Remedy, StringComparison.Ordinal);
        // Accepting is believed, even if it cannot be told for whom.
        Assert.Empty(ForeignPlan.Make([Table("-s 192.0.2.2/32 -p udp --dport 8472 -j ACCEPT", "-s 10.5.0.0/16 ? -j ACCEPT")], Comment, "accelerated-default", Spec).Problems);
        // Our own table and another family are no matter.
        Assert.Empty(ForeignPlan.Make([Table() with { Name = "accelerated-default" }], Comment, "accelerated-default", Spec).Problems);
        Assert.Empty(ForeignPlan.Make([Table() with { Family = FilterFamily.IPv6 }], Comment, "accelerated-default", Spec).Problems);
    }

    [Fact]
    public void Table_OfFirewalld_IsChangedByFirewalld()
    {
        var table = new FilterTable(FilterFamily.Inet, "firewalld", false, false, [new("filter_INPUT", FilterHook.Input, "filter", false, [], [Rule("-j DROP")])]);

        Assert.Contains("firewall-cmd --permanent --add-port=8472/udp", Assert.Single(ForeignPlan.Make([table], Comment, "accelerated-default", Spec).Problems).Remedy, StringComparison.Ordinal);
    }

    private static string Script(string[] chains, ForeignSpec? spec, bool isLegacy = false)
    {
        var edits = ForeignPlan.Make(Tables(chains, isLegacy), Comment, "accelerated-default", spec).Edits;
        Assert.All(edits, e => Assert.Equal(isLegacy, e.IsLegacy));
        var script = ForeignEdit.Script(edits, Comment).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => l[0] == '-').ToList();
        Assert.All(script, l => Assert.EndsWith(" -m comment --comment \"accelerated default\" -j ACCEPT", l, StringComparison.Ordinal));
        return string.Join('|', script.Select(l => l[..l.IndexOf(" -m comment", StringComparison.Ordinal)]));
    }

    private static List<FilterTable> Tables(IEnumerable<string> chains, bool isLegacy) =>
        [.. chains.GroupBy(c => c.StartsWith("raw ", StringComparison.Ordinal) ? "raw" : "filter").Select(t => new FilterTable(FilterFamily.IPv4, t.Key, isLegacy, false, [.. t.Select(Chain)]))];

    private static FilterChain Chain(string text)
    {
        var head = text.Split(':')[0].Replace("raw ", "", StringComparison.Ordinal).Split(' ');
        var hook = head[0] switch { "PREROUTING" => FilterHook.Prerouting, "INPUT" => FilterHook.Input, "FORWARD" => FilterHook.Forward, _ => FilterHook.None };
        return new(head[0], hook, hook == FilterHook.None ? "" : "filter", head.Length > 1 && head[1] == "DROP", [], [.. Rules(text).Select(Rule)]);
    }

    private static List<string> Rules(string chain) => [.. chain[(chain.IndexOf(':', StringComparison.Ordinal) + 1)..].Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    /// <summary>iptables' words; <c>#</c> stands for our comment, <c>?</c> for a condition nobody understands.</summary>
    private static FilterRule Rule(string text)
    {
        var steps = new List<RuleStep>();
        string? comment = null;
        var words = text.Split(' ');
        var negated = false;
        for (var i = 0; i < words.Length; i++)
        {
            var value = i + 1 < words.Length ? words[i + 1] : "";
            switch (words[i])
            {
                case "!":
                    negated = true;
                    continue;
                case "#":
                    comment = Comment;
                    steps.Add(new OpaqueStep("-m comment", StepNature.Neutral));
                    continue;
                case "?":
                    steps.Add(new OpaqueStep("-m policy", StepNature.Constant));
                    continue;
                case "-s" or "-d":
                    var (low, high) = Range(value);
                    steps.Add(MatchStep.One(words[i] == "-s" ? PacketField.Source : PacketField.Destination, low, high, negated));
                    break;
                case "-i" or "-o":
                    var name = global::System.Text.Encoding.ASCII.GetBytes(value + "\0").Aggregate((UInt128)0, (n, b) => n << 8 | b) << (8 * (15 - value.Length));
                    steps.Add(MatchStep.One(words[i] == "-i" ? PacketField.InputName : PacketField.OutputName, name, name | ((UInt128.One << (8 * (15 - value.Length))) - 1), negated));
                    break;
                case "-p":
                    steps.Add(MatchStep.One(PacketField.Protocol, value == "udp" ? 17u : 6u, value == "udp" ? 17u : 6u));
                    break;
                case "--dport":
                    var port = uint.Parse(value, CultureInfo.InvariantCulture);
                    steps.Add(MatchStep.One(PacketField.DestinationPort, port, port));
                    break;
                case "-j":
                    steps.Add(new VerdictStep(value switch
                    {
                        "ACCEPT" => new(VerdictKind.Accept),
                        "DROP" => new(VerdictKind.Drop),
                        "RETURN" => new(VerdictKind.Return),
                        _ => new(VerdictKind.Jump, value),
                    }));
                    break;
                default:
                    throw new ArgumentException(text);
            }

            (negated, i) = (false, i + 1);
        }

        return new FilterRule(1, steps) { Comment = comment };
    }

    private static (UInt128 Low, UInt128 High) Range(string network)
    {
        var parsed = IPNetwork.Parse(network);
        var low = parsed.BaseAddress.GetAddressBytes().Aggregate((UInt128)0, (n, b) => n << 8 | b);
        return (low, low + (UInt128.One << (32 - parsed.PrefixLength)) - 1);
    }
}
