using System.Globalization;
using System.Net.Sockets;
using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Agent.State;
using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>
/// What has to change in other people's chains so that the overlay's packets get through, and what we cannot or may not change. Pure.
/// </summary>
/// <remarks>
/// An accept in a table of our own does not overrule the drop of another table: the kernel asks every base chain of a hook. So a few rules
/// have to stand in iptables' chains, each as narrow as can be and directly before what would refuse the packets, so that what the operator
/// put before that still decides. Other programs' tables are not written to.
/// </remarks>
/// <param name="Edits">What to do in iptables' chains; nothing if all is as it should be.</param>
/// <param name="Problems">What refuses the overlay's packets all the same, at most one for each code.</param>
public sealed record ForeignPlan(IReadOnlyList<ForeignEdit> Edits, IReadOnlyList<Problem> Problems)
{
    private const string DockerUser = "DOCKER-USER";

    /// <summary>Chains that Docker has since version 28, which drops what comes to a container by another interface than its bridge.</summary>
    private static readonly string[] DockerOf28 = ["DOCKER-FORWARD", "DOCKER-BRIDGE"];

    private static readonly (string Table, string Chain)[] Places = [("raw", "PREROUTING"), ("filter", DockerUser), ("filter", "FORWARD"), ("filter", "INPUT")];

    /// <summary>Compares what is there with what is wanted.</summary>
    /// <param name="tables">The packet filter rules of the host.</param>
    /// <param name="comment">The comment of our rules.</param>
    /// <param name="ownTable">Name of our own nftables table, in family inet.</param>
    /// <param name="spec">What is wanted; null for nothing at all.</param>
    public static ForeignPlan Make(IReadOnlyList<FilterTable> tables, string comment, string ownTable, ForeignSpec? spec)
    {
        var edits = new List<ForeignEdit>();
        var (closedPorts, closedWays) = (new List<(string, string)>(), new List<(string, string)>());
        foreach (var isLegacy in (bool[])[false, true])
        {
            var host = new Iptables(tables, isLegacy, comment, spec?.Family == AddressFamily.InterNetwork ? spec : null);
            edits.AddRange(Places.Select(p => host.Edit(p.Table, p.Chain)).OfType<ForeignEdit>());
            if (host.ClosedInput is { } closed)
                closedPorts.Add(closed);
        }

        if (spec is { Family: AddressFamily.InterNetwork })
        {
            foreach (var table in tables.Where(t => !t.IsLegacy && t.Family is FilterFamily.Inet or FilterFamily.IPv4 && (t.Family, t.Name) != (FilterFamily.Inet, ownTable)))
            {
                foreach (var chain in table.Chains.Where(c => c.Kind == "filter" && !IsIptables(table, c)))
                {
                    if (chain.Hook == FilterHook.Input && spec.Device is { } device && Refuses(table, chain, PacketClass.FromAnyone(device, spec.Underlay)) is { } input)
                        closedPorts.Add((input, Remedy(table, chain, $"iifname \"{spec.Underlay}\" udp dport {device.Port.ToString(CultureInfo.InvariantCulture)}")));
                    foreach (var name in chain.Hook == FilterHook.Forward && spec.Forward ? spec.Interfaces : [])
                    {
                        if (Refuses(table, chain, PacketClass.Forwarded(spec.Network, spec.Subnet, name, outward: false)) is { } forward)
                            closedWays.Add((forward, Remedy(table, chain, $"iifname \"{name}\" ip saddr {spec.Network} ip daddr {spec.Subnet}")));
                    }
                }
            }
        }

        var problems = new List<Problem>();
        Say("port-closed", closedPorts, $"refuses UDP port {spec?.Device?.Port.ToString(CultureInfo.InvariantCulture)}, so nothing of the other nodes gets in");
        Say("forward-closed", closedWays, "refuses what comes from containers on other hosts");
        return new(edits, problems);

        void Say(string code, List<(string Place, string Remedy)> closed, string what)
        {
            if (closed.Count > 0)
                problems.Add(new Problem(ProblemSeverity.Degraded, code, $"{string.Join(" and ", closed.Select(c => c.Place).Distinct())} {what}", string.Join("; ", closed.Select(c => c.Remedy).Distinct())));
        }
    }

    private static bool IsIptables(FilterTable table, FilterChain chain) =>
        table.IsLegacy || (table.Family == FilterFamily.IPv4 && Places.Contains((table.Name, chain.Name)));

    private static string? Refuses(FilterTable table, FilterChain chain, PacketClass packet) =>
        new RefusalWalk(table, packet, mayAccept: true).Find(chain) is null ? null : $"chain {chain.Name} of the nftables table {RulePhrases.Words(table)}";

    private static string Remedy(FilterTable table, FilterChain chain, string match) => table.Name == "firewalld"
        ? $"let firewalld accept it: {(chain.Hook == FilterHook.Input ? "firewall-cmd --permanent --add-port=PORT/udp" : "firewall-cmd --permanent --zone=trusted --add-interface=DEVICE")}, then firewall-cmd --reload"
            .Replace("PORT", match[(match.LastIndexOf(' ') + 1)..], StringComparison.Ordinal).Replace("DEVICE", match.Split('"')[1], StringComparison.Ordinal)
        : $"accept it before that, for now by 'nft insert rule {RulePhrases.Words(table)} {chain.Name} {match} accept', and in the file the rules come from";

    /// <summary>iptables' tables of one kind, and what is wanted of them.</summary>
    private sealed class Iptables
    {
        private readonly bool _isLegacy;
        private readonly string _comment;
        private readonly ForeignSpec? _spec;
        private readonly List<FilterTable> _tables;

        /// <summary>The same without our rules: what they stand against.</summary>
        private readonly Dictionary<string, FilterTable> _others;

        internal Iptables(IReadOnlyList<FilterTable> tables, bool isLegacy, string comment, ForeignSpec? spec)
        {
            (_isLegacy, _comment, _spec) = (isLegacy, comment, spec);
            _tables = [.. tables.Where(t => t.IsLegacy == isLegacy && t.Family == FilterFamily.IPv4)];
            _others = _tables.ToDictionary(
                t => t.Name,
                t => t with { Chains = [.. t.Chains.Select(c => c with { Rules = [.. c.Rules.Where(r => ForeignRule.Read(r, comment) is null)] })] },
                StringComparer.Ordinal);
        }

        /// <summary>The INPUT chain, if it refuses our port and we may not open it, and what to do about that.</summary>
        internal (string Place, string Remedy)? ClosedInput { get; private set; }

        internal ForeignEdit? Edit(string table, string chain)
        {
            var others = _others.GetValueOrDefault(table)?.Chains.FirstOrDefault(c => c.Name == chain);
            var there = _tables.Find(t => t.Name == table)?.Chains.FirstOrDefault(c => c.Name == chain)?.Rules ?? [];
            var ours = there.Select(r => ForeignRule.Read(r, _comment)).OfType<ForeignRule>().ToList();
            if (Want(table, chain, others, ours) is not var (wanted, place))
                return null;
            var count = others?.Rules.Count ?? 0;
            var before = 0;
            var inPlace = ours.Count == wanted.Count && wanted.All(ours.Contains);
            foreach (var rule in there)
            {
                if (ForeignRule.Read(rule, _comment) is null)
                    before++;
                else
                    inPlace &= before == place;
            }

            return inPlace ? null : new ForeignEdit(_isLegacy, table, chain, ours, wanted, place, place == count);
        }

        /// <summary>Our rules in a chain and how many of the others go before them; null for what is there.</summary>
        private (IReadOnlyList<ForeignRule> Rules, int Place)? Want(string table, string chain, FilterChain? others, List<ForeignRule> ours) => _spec is null
            ? ([], 0)
            : (table, chain) switch
            {
                ("raw", _) => WantRaw(_spec, others, ours.Count > 0),
                (_, "INPUT") => others is null ? ([], 0) : WantInput(_spec, others, ours.Count > 0),
                (_, DockerUser) => others is null ? ([], 0) : WantDockerUser(_spec, others),
                _ => others is null ? ([], 0) : WantForward(_spec, others),
            };

        // Docker 28 and later: a drop for each container, appended when it starts. Once there, our rule stays, or the next container's first
        // packets would be lost.
        private (IReadOnlyList<ForeignRule>, int) WantRaw(ForeignSpec spec, FilterChain? others, bool isThere)
        {
            var drop = others?.Rules.ToList().FindIndex(r => IsDirectAccessDrop(spec, r)) ?? -1;
            var isDocker28 = _others.GetValueOrDefault("filter")?.Chains.Any(c => DockerOf28.Contains(c.Name)) ?? false;
            return spec.Forward && (drop >= 0 || isThere || isDocker28) ? (Inward(spec), drop >= 0 ? drop : others?.Rules.Count ?? 0) : ([], 0);
        }

        // At the end: DOCKER-USER is where operators put what they do not want to reach containers, and that has to go on deciding. But before
        // the RETURN that older Docker ends the chain with, since nothing gets behind it.
        private (IReadOnlyList<ForeignRule>, int) WantDockerUser(ForeignSpec spec, FilterChain others)
        {
            var end = others.Rules.ToList().FindIndex(r => r.Steps.All(s => s is OpaqueStep { Nature: StepNature.Neutral } or VerdictStep { Verdict.Kind: VerdictKind.Return })
                && r.Steps.Any(s => s is VerdictStep));
            return spec.Forward && IsDockerUserCalled ? ([.. Inward(spec), .. Outward(spec)], end >= 0 ? end : others.Rules.Count) : ([], 0);
        }

        // Behind everything, as flannel's two rules: what only the policy would drop of what containers here send and get, wherever it goes. A
        // rule that refuses is the operator's; before that goes what the overlay needs, and no more.
        private (IReadOnlyList<ForeignRule>, int) WantForward(ForeignSpec spec, FilterChain others)
        {
            if (!spec.Forward || IsDockerUserCalled)
                return ([], 0);
            var (rules, place) = (new List<ForeignRule>(), int.MaxValue);
            foreach (var rule in (ForeignRule[])[.. Inward(spec), .. Outward(spec)])
            {
                if (Find(others, PacketClass.Forwarded(spec.Network, spec.Subnet, rule.Input ?? rule.Output!, outward: rule.Input is null)) is not { } refusal)
                    continue;
                rules.Add(rule);
                place = Math.Min(place, refusal);
            }

            var end = others.Rules.Count;
            if (place < end)
                return (rules, place);
            foreach (var outward in (bool[])[true, false])
            {
                if (Find(others, PacketClass.Crossing(spec.Subnet, outward)) is null)
                    continue;
                rules.RemoveAll(r => (outward ? r.Source : r.Destination) == spec.Subnet);
                rules.Add(new ForeignRule(null, null, outward ? spec.Subnet : null, outward ? null : spec.Subnet, null));
            }

            return (rules, end);
        }

        private (IReadOnlyList<ForeignRule>, int)? WantInput(ForeignSpec spec, FilterChain others, bool isThere)
        {
            if (spec.Device is not { } device)
                return ([], 0);
            var packet = PacketClass.FromAnyone(device, spec.Underlay);
            var refusal = Find(others, packet);
            if (spec.Port == PortOpening.Open)
                return refusal is { } place ? ([new ForeignRule(spec.Underlay, null, null, null, device.Port)], place) : ([], 0);
            var isClosed = new RefusalWalk(_others["filter"], packet, mayAccept: true).Find(others) is not null;
            if (isClosed && !(spec.Port == PortOpening.Keep && isThere))
            {
                var tool = _isLegacy ? "iptables-legacy" : "iptables";
                ClosedInput = ($"chain INPUT ({tool})", spec.Port switch
                {
                    PortOpening.Declined => $"accept it yourself ({tool} -I INPUT -i {spec.Underlay} -p udp --dport {device.Port.ToString(CultureInfo.InvariantCulture)} -j ACCEPT), or leave out --open-port=false",
                    PortOpening.Unguarded => "--guard=vtep, which keeps out who is no node: the agent opens the port only then",
                    _ => "nothing: the agent opens the port when its own rules, which keep out who is no node, are in force",
                });
            }

            return spec.Port == PortOpening.Keep ? null : ([], 0);
        }

        private int? Find(FilterChain chain, PacketClass packet) => new RefusalWalk(_others["filter"], packet, mayAccept: false).Find(chain);

        private bool IsDockerUserCalled => _others["filter"].Chains.Any(c => c.Name == DockerUser) && _others["filter"].Chains
            .Where(c => c.Name == "FORWARD").SelectMany(c => c.Rules).Any(r => r.Steps.Any(s => s is VerdictStep { Verdict: { Kind: VerdictKind.Jump, Chain: DockerUser } }));

        /// <summary><c>-d CONTAINER ! -i BRIDGE -j DROP</c>, perhaps for a port only.</summary>
        private static bool IsDirectAccessDrop(ForeignSpec spec, FilterRule rule)
        {
            var (ofContainer, notFromBridge, drops) = (false, false, false);
            foreach (var step in rule.Steps)
            {
                switch (step)
                {
                    case OpaqueStep { Nature: StepNature.Neutral }:
                    case MatchStep { Negated: false, Keys: [{ Field: PacketField.Protocol or PacketField.DestinationPort }] }:
                        break;
                    case MatchStep { Negated: false, Keys: [{ Field: PacketField.Destination, IsWhole: true }], Elements: [{ Values: [var to] }] }:
                        ofContainer = to.Low == to.High && PacketClass.Network(spec.Subnet).Contains(to);
                        break;
                    case MatchStep { Negated: true, Keys: [{ Field: PacketField.InputName }] } match:
                        notFromBridge = spec.Interfaces.Any(name => RuleConditions.Evaluate(PacketClass.Forwarded(spec.Network, spec.Subnet, name, outward: false), match) == Answer.Yes);
                        break;
                    case VerdictStep verdict:
                        drops = verdict.Verdict.Kind == VerdictKind.Drop;
                        break;
                    default:
                        return false;
                }
            }

            return ofContainer && notFromBridge && drops;
        }

        private static IReadOnlyList<ForeignRule> Inward(ForeignSpec spec) => [.. spec.Interfaces.Select(name => new ForeignRule(name, null, spec.Network, spec.Subnet, null))];

        private static IReadOnlyList<ForeignRule> Outward(ForeignSpec spec) => [.. spec.Interfaces.Select(name => new ForeignRule(null, name, spec.Subnet, spec.Network, null))];
    }
}
