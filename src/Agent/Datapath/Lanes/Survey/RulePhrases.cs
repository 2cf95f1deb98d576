using System.Globalization;
using Accelerated.Agent.State;
using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>Findings in words: which rule, what it does, and what to do.</summary>
/// <param name="device">The overlay.</param>
/// <param name="textOf">Gives a rule's text in the words of nft, or null.</param>
internal sealed class RulePhrases(OverlayDevice device, Func<FilterTable, FilterChain, FilterRule, string?> textOf)
{
    /// <summary>A status that names hundreds of rules helps nobody.</summary>
    private const int MostNamed = 5;

    /// <summary>Rules the driver's packets meet on their way out or in, and a lane's do not.</summary>
    public IEnumerable<string> Outer(IReadOnlyList<RuleFinding> findings, bool outward) => Few(findings, f =>
    {
        var packets = outward ? $"what the driver sends to UDP port {device.Port} of the other nodes" : $"what arrives on UDP port {device.Port} from the other nodes";
        var bypass = outward ? "the lanes would send it all the same" : "a program would decapsulate it all the same";
        var remedy = f.Effect == RuleEffect.Drops
            ? $"accept {(outward ? "" : "incoming ")}UDP port {device.Port} of the nodes before it"
            : $"except UDP port {device.Port} from it, or leave the overlay to the driver";
        return $"{Place(f)} {Does(f)} {packets}, and {bypass}; {remedy}";
    });

    /// <summary>Rules that have to see each packet, or that look at the shortcut's bits of connections' marks.</summary>
    public IEnumerable<string> Shortcut(IReadOnlyList<RuleFinding> findings, uint mark) => Few(findings, f => f.Effect == RuleEffect.ReadsMark
        ? string.Create(CultureInfo.InvariantCulture, $"{Place(f)} looks at the whole mark of connections (ct mark), where the shortcut keeps 0x{mark:x8}; give it a mask without these bits, or the shortcut others with --shortcut-mark")
        : $"{Place(f)} has to see every packet between containers ({f.What}); limit it to 'ct state new', or to addresses outside of {device.Network}, or do without the shortcut");

    /// <summary>A bridge's chains.</summary>
    public static string Bridge(FilterTable table, FilterChain chain) =>
        $"chain {chain.Name} of the table {Words(table)} has rules for what a bridge forwards, which the shortcut would pass by; remove them, or do without the shortcut";

    /// <summary>A table as commands name it.</summary>
    public static string Words(FilterTable table) => $"{Family(table.Family)} {table.Name}";

    private static IEnumerable<string> Few(IReadOnlyList<RuleFinding> findings, Func<RuleFinding, string> words) =>
        findings.Count <= MostNamed
            ? findings.Select(words)
            : findings.Take(MostNamed).Select(words).Append($"… and {(findings.Count - MostNamed).ToString(CultureInfo.InvariantCulture)} more rules like these");

    private static string Does(RuleFinding finding) => finding.Effect switch
    {
        RuleEffect.Drops => "drops",
        RuleEffect.Queues => "queues",
        RuleEffect.Marks => "marks",
        RuleEffect.Translates => "translates",
        RuleEffect.SeesEach => $"looks at each packet ({finding.What}) of",
        _ => $"changes or diverts ({finding.What})",
    };

    private string Place(RuleFinding finding)
    {
        var (table, chain) = (finding.Table, finding.Chain);
        if (finding.Rule is not { } rule)
            return $"the policy of chain {chain.Name} ({Tool(table)}, table {Words(table)})";
        var handle = rule.Handle.ToString(CultureInfo.InvariantCulture);
        return table.IsLegacy
            ? $"rule {handle} of chain {chain.Name} (iptables-legacy -t {table.Name} -S {chain.Name} {handle})"
            : textOf(table, chain, rule) is { } text
            ? $"the rule '{text}' ({Tool(table)}, table {Words(table)}, chain {chain.Name}, handle {handle})"
            : $"the rule with handle {handle} ({Tool(table)}, table {Words(table)}, chain {chain.Name})";
    }

    private static string Tool(FilterTable table) => table.IsLegacy ? "iptables-legacy" : "nftables";

    private static string Family(FilterFamily family) => family switch
    {
        FilterFamily.IPv4 => "ip",
        FilterFamily.IPv6 => "ip6",
        _ => family.ToString().ToLowerInvariant(),
    };
}
