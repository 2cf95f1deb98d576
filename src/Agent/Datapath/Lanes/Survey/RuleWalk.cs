using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>
/// Sends a class of packets through the chains of a table, taking every way that one of them could take, and tells of each rule on the way
/// that does something. Where it cannot tell, it assumes both: more is found than happens, never less.
/// </summary>
internal sealed class RuleWalk(FilterTable table, PacketClass packet, Action<RuleFinding> found)
{
    private readonly Dictionary<string, FilterChain> _chains = table.Chains.ToDictionary(c => c.Name, StringComparer.Ordinal);
    private readonly Dictionary<(string Chain, bool NamesPort), Ways> _done = [];
    private PacketClass _packet = packet;
    private int _marks;

    /// <summary>Where packets can get to from a rule or chain.</summary>
    [Flags]
    private enum Ways
    {
        None = 0,
        Next = 1,
        Back = 2,
        Out = 4,
    }

    /// <summary>Walks from a hook.</summary>
    public void Walk(FilterChain chain)
    {
        var ways = WalkRules(chain, namesPort: false);
        if (chain.DropsByDefault && (ways & (Ways.Next | Ways.Back)) != 0)
            found(new(table, chain, null, RuleEffect.Drops, "policy drop", NamesPort: false));
    }

    private static bool LooksAt(MatchStep match, PacketField field)
    {
        foreach (var key in match.Keys)
        {
            if (key.Field == field)
                return true;
        }

        return false;
    }

    private Ways WalkRules(FilterChain chain, bool namesPort)
    {
        if (_done.TryGetValue((chain.Name, namesPort), out var known))
            return known;
        var ways = Ways.None;
        var goesOn = true;
        var marks = _marks;
        foreach (var rule in chain.Rules)
        {
            var one = WalkRule(chain, rule, namesPort);
            ways |= one & ~Ways.Next;
            goesOn = (one & Ways.Next) != 0;
            if (!goesOn)
                break;
        }

        ways |= goesOn ? Ways.Next : Ways.None;
        if (marks == _marks)
            _done[(chain.Name, namesPort)] = ways;
        return ways;
    }

    private Ways WalkRule(FilterChain chain, FilterRule rule, bool namesPort)
    {
        var ways = Ways.None;
        foreach (var step in rule.Steps)
        {
            switch (step)
            {
                case MatchStep match:
                    var answer = RuleConditions.Evaluate(_packet, match);
                    if (answer == Answer.No)
                        return ways | Ways.Next;
                    if (answer == Answer.Maybe)
                        ways |= Ways.Next;
                    namesPort |= !match.Negated && LooksAt(match, PacketField.DestinationPort) && _packet.Values(PacketField.DestinationPort) is not null;
                    TellMatch(match, answer);
                    break;

                case OpaqueStep opaque:
                    if (opaque.Nature is not StepNature.Neutral)
                        ways |= Ways.Next; // It may not match.
                    TellOpaque(opaque);
                    break;

                case VerdictMapStep map:
                    return ways | WalkMap(map);

                case VerdictStep verdict:
                    return ways | Follow(verdict.Verdict);
            }
        }

        return ways | Ways.Next;

        void Found(RuleEffect effect, string what) => found(new(table, chain, rule, effect, what, namesPort));

        void TellMark(IReadOnlyList<FieldKey> keys)
        {
            foreach (var key in keys)
            {
                if (key.Field == PacketField.ConntrackMark)
                    found(new(table, chain, rule, RuleEffect.ReadsMark, "ct mark", namesPort, (uint)(key.Mask & uint.MaxValue)));
            }
        }

        void TellMatch(MatchStep match, Answer answer)
        {
            TellMark(match.Keys);
            if (match.ChangesByItself)
                Found(RuleEffect.SeesEach, $"the elements of @{match.Set} come and go by themselves");
            if (answer == Answer.Maybe && LooksAt(match, PacketField.TcpFlags))
                Found(RuleEffect.SeesEach, "tcp flags");
            if (answer == Answer.Maybe && LooksAt(match, PacketField.Fragment))
                Found(RuleEffect.SeesEach, "ip frag-off");
        }

        void TellOpaque(OpaqueStep opaque)
        {
            switch (opaque.Nature)
            {
                case StepNature.EveryPacket:
                    Found(RuleEffect.SeesEach, opaque.Name);
                    break;
                case StepNature.Alters:
                    Found(RuleEffect.Alters, opaque.Name);
                    break;
                case StepNature.Neutral when opaque.Name is "meta mark set" or "-j MARK" or "-j CONNMARK" or "-j HMARK":
                    Found(RuleEffect.Marks, opaque.Name);

                    // From here on nobody knows the mark, and what was found out with it.
                    _packet = _packet.WithAnyMark();
                    _done.Clear();
                    _marks++;
                    break;
                case StepNature.Neutral when opaque.Name is "nat" or "masq" or "redir" or "-j DNAT" or "-j SNAT" or "-j MASQUERADE" or "-j REDIRECT" or "-j NETMAP":
                    Found(RuleEffect.Translates, opaque.Name);
                    break;
            }
        }

        Ways WalkMap(VerdictMapStep map)
        {
            TellMark(map.Keys);
            if (map.ChangesByItself)
            {
                Found(RuleEffect.SeesEach, $"the elements of @{map.Set} come and go by themselves");
                return Ways.Next | Ways.Out;
            }

            var result = Ways.None;
            foreach (var element in map.Elements)
            {
                var answer = RuleConditions.Evaluate(_packet, map.Keys, element);
                if (answer == Answer.No)
                    continue;
                result |= Follow(element.Verdict);
                if (answer == Answer.Yes)
                    return result;
            }

            return result | Ways.Next;
        }

        Ways Follow(RuleVerdict verdict)
        {
            switch (verdict.Kind)
            {
                case VerdictKind.Accept:
                    return Ways.Out;
                case VerdictKind.Drop:
                    Found(RuleEffect.Drops, "drop");
                    return Ways.Out;
                case VerdictKind.Queue:
                    Found(RuleEffect.Queues, "queue");
                    return Ways.Out | Ways.Next;
                case VerdictKind.Return:
                    return Ways.Back;
                case VerdictKind.Jump or VerdictKind.Goto when verdict.Chain is { } name && _chains.TryGetValue(name, out var target):
                    var there = WalkRules(target, namesPort);
                    var comesBack = (there & (Ways.Next | Ways.Back)) != 0;
                    return (there & Ways.Out) | (!comesBack ? Ways.None : verdict.Kind == VerdictKind.Jump ? Ways.Next : Ways.Back);
                default:
                    return Ways.Next;
            }
        }
    }
}
