using Accelerated.Agent.State;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>Which packet filter rules the lanes would slip past. Pure.</summary>
/// <param name="device">The overlay.</param>
/// <param name="underlay">Name of the underlay interface.</param>
/// <param name="overlay">The overlay's device; null while there is none.</param>
/// <param name="containers">Containers' host-end interfaces and the bridges they belong to.</param>
/// <param name="shortcutMark">The bits of connections' marks that are the shortcut's.</param>
internal sealed class RuleSurvey(OverlayDevice device, string underlay, Link? overlay, IReadOnlyCollection<Link> containers, uint shortcutMark)
{
    private static readonly int[] States = [ConntrackStates.New, ConntrackStates.Established];

    /// <summary>Rules that refuse or change what the driver sends. Lanes send past OUTPUT and POSTROUTING.</summary>
    public IReadOnlyList<RuleFinding> Outward(IReadOnlyList<FilterTable> tables) => Outer(
        tables, [FilterHook.Output, FilterHook.Postrouting], (to, hook, state) => PacketClass.Sent(to, underlay, hook, state));

    /// <summary>Rules that refuse or change what the driver receives. What a lane decapsulates comes past PREROUTING and INPUT.</summary>
    public IReadOnlyList<RuleFinding> Inward(IReadOnlyList<FilterTable> tables) => Outer(
        tables, [FilterHook.Prerouting, FilterHook.Input], (from, _, state) => PacketClass.Received(from, underlay, state));

    /// <summary>Rules that have to see each packet of an established flow between containers, or would see the shortcut's bits in its mark.</summary>
    public IReadOnlyList<RuleFinding> Shortcut(IEnumerable<FilterTable> tables)
    {
        var findings = new List<RuleFinding>();
        foreach (var table in tables.Where(SeesIPv4))
        {
            foreach (var chain in table.Chains.Where(c => c.Kind != "nat" && c.Hook is FilterHook.Prerouting or FilterHook.Forward or FilterHook.Postrouting))
            {
                foreach (var (outward, tcp) in ((bool, bool)[])[(true, true), (true, false), (false, true), (false, false)])
                {
                    var packet = PacketClass.Inner(device, overlay, containers, chain.Hook, outward, tcp);
                    new RuleWalk(table, packet, findings.Add).Walk(chain);
                }
            }
        }

        return Distinct(findings.Where(f => f.Effect is RuleEffect.SeesEach or RuleEffect.Alters or RuleEffect.Queues
            || (f.Effect == RuleEffect.ReadsMark && (f.Bits & shortcutMark) != 0)));
    }

    /// <summary>Chains of bridges: what a container sends passes them before anything else does.</summary>
    public static IReadOnlyList<(FilterTable Table, FilterChain Chain)> Bridges(IEnumerable<FilterTable> tables) =>
        [.. Chains(tables, t => t.Family == FilterFamily.Bridge, c => c.Hook != FilterHook.None)];

    /// <summary>Chains on an interface, in one direction, that do anything.</summary>
    public static IReadOnlyList<(FilterTable Table, FilterChain Chain)> OnInterface(IEnumerable<FilterTable> tables, string name, FilterHook hook) =>
        [.. Chains(tables, t => t.Family is FilterFamily.Netdev or FilterFamily.Inet, c => c.Hook == hook && c.Devices.Any(d => Names(d, name)))];

    private static IEnumerable<(FilterTable, FilterChain)> Chains(IEnumerable<FilterTable> tables, Func<FilterTable, bool> isConcerned, Func<FilterChain, bool> isThere) =>
        from table in tables.Where(isConcerned)
        from chain in table.Chains
        where isThere(chain) && (chain.Rules.Count > 0 || chain.DropsByDefault)
        select (table, chain);

    private static bool Names(string device, string name) =>
        device.EndsWith('*') ? name.StartsWith(device[..^1], StringComparison.Ordinal) : device == name;

    private static bool SeesIPv4(FilterTable table) => table.Family is FilterFamily.Inet or FilterFamily.IPv4;

    private List<RuleFinding> Outer(IReadOnlyList<FilterTable> tables, FilterHook[] hooks, Func<OverlayDevice, FilterHook, int, PacketClass> packet)
    {
        // All peers at once is quick and finds too much where rules name each of them. Then one at a time, until one is found that is refused.
        var findings = Outer(device);
        if (findings.Count == 0 || device.Peers.Length < 2)
            return findings;
        return device.Peers.DistinctBy(p => p.Remote).Select(p => Outer(device with { Peers = [p] })).FirstOrDefault(f => f.Count > 0) ?? [];

        List<RuleFinding> Outer(OverlayDevice peers)
        {
            var found = new List<RuleFinding>();
            foreach (var table in tables.Where(SeesIPv4))
            {
                foreach (var chain in table.Chains.Where(c => hooks.Contains(c.Hook)))
                {
                    foreach (var state in States)
                        new RuleWalk(table, packet(peers, chain.Hook, state), f => { if (Matters(chain, f)) found.Add(f); }).Walk(chain);
                }
            }

            return Distinct(found);
        }
    }

    // A rule that asks for our port means our packets. One that does not may still refuse or change them. Address translation of everything is
    // for everything else: the driver's packets leave it as they are, or the overlay would not work.
    private static bool Matters(FilterChain from, RuleFinding finding) => finding.NamesPort || finding.Effect switch
    {
        RuleEffect.Drops or RuleEffect.Queues or RuleEffect.Alters => from.Kind != "nat",
        RuleEffect.Marks => from.Kind == "route",
        _ => false,
    };

    // A rule is named once, with the strongest of what it does.
    private static List<RuleFinding> Distinct(IEnumerable<RuleFinding> findings) =>
    [
        .. findings.GroupBy(f => (f.Table.Family, f.Table.Name, f.Table.IsLegacy, f.Chain.Name, f.Rule?.Handle)).Select(same => same.MinBy(f => f.Effect)!),
    ];
}
