using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>
/// Where a class of packets is refused for certain. A rule that looks at more than is known of the packets (one sender, a rate, a mark) is
/// taken not to refuse them: what an operator refuses on purpose is not to be undone.
/// </summary>
/// <param name="table">The table.</param>
/// <param name="packet">The packets.</param>
/// <param name="mayAccept">Whether such a rule is taken to accept them, if that is what it does.</param>
internal sealed class RefusalWalk(FilterTable table, PacketClass packet, bool mayAccept)
{
    private enum End
    {
        /// <summary>They come to the end of the chain.</summary>
        Reached,

        /// <summary>They are refused.</summary>
        Refused,

        /// <summary>They are accepted, or what becomes of them is not known.</summary>
        Gone,
    }

    private readonly Dictionary<string, FilterChain> _chains = table.Chains.ToDictionary(c => c.Name, StringComparer.Ordinal);
    private readonly Dictionary<string, End> _known = new(StringComparer.Ordinal);

    /// <summary>The place, among a base chain's rules, of the first by which the packets are refused; their number if its policy does it, null if nothing does.</summary>
    public int? Find(FilterChain chain)
    {
        for (var i = 0; i < chain.Rules.Count; i++)
        {
            var end = Follow(chain.Rules[i], out var leaves);
            if (end == End.Refused)
                return i;
            if (end == End.Gone)
                return null;
            if (leaves)
                break;
        }

        return chain.DropsByDefault ? chain.Rules.Count : null;
    }

    private End Walk(FilterChain chain)
    {
        if (_known.TryGetValue(chain.Name, out var known))
            return known;
        _known[chain.Name] = End.Reached; // The kernel allows no loops.
        var end = End.Reached;
        foreach (var rule in chain.Rules)
        {
            end = Follow(rule, out var leaves);
            if (end != End.Reached || leaves)
                break;
        }

        return _known[chain.Name] = end;
    }

    private End Follow(FilterRule rule, out bool leaves)
    {
        leaves = false;
        var certain = true;
        foreach (var step in rule.Steps)
        {
            switch (step)
            {
                case MatchStep match:
                    var answer = RuleConditions.Evaluate(packet, match);
                    if (answer == Answer.No)
                        return End.Reached;
                    certain &= answer == Answer.Yes && !match.ChangesByItself;
                    break;
                case OpaqueStep { Nature: StepNature.Neutral }:
                    break;
                case OpaqueStep:
                    certain = false;
                    break;
                case VerdictMapStep map:
                    foreach (var element in map.Elements)
                    {
                        var meets = RuleConditions.Evaluate(packet, map.Keys, element);
                        var there = meets == Answer.No ? End.Reached : Decide(element.Verdict, certain && meets == Answer.Yes && !map.ChangesByItself, out leaves);
                        if (there != End.Reached || leaves)
                            return there;
                    }

                    return End.Reached;
                case VerdictStep verdict:
                    return Decide(verdict.Verdict, certain, out leaves);
            }
        }

        return End.Reached;
    }

    private End Decide(RuleVerdict verdict, bool certain, out bool leaves)
    {
        var end = verdict.Kind switch
        {
            VerdictKind.Drop => End.Refused,
            VerdictKind.Accept or VerdictKind.Queue => End.Gone,
            VerdictKind.Jump or VerdictKind.Goto when verdict.Chain is { } name && _chains.TryGetValue(name, out var target) => Walk(target),
            _ => End.Reached,
        };
        leaves = certain && verdict.Kind is VerdictKind.Return or VerdictKind.Goto;
        return certain || (end == End.Gone && mayAccept) ? end : End.Reached;
    }
}
