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

    /// <summary>Whether packets have the values of one element.</summary>
    private static Answer Evaluate(PacketClass packet, IReadOnlyList<FieldKey> keys, FieldElement element)
    {
        var all = Answer.Yes;
        for (var i = 0; i < keys.Count && i < element.Values.Count; i++)
        {
            var one = Evaluate(packet, keys[i], [element], i);
            if (one == Answer.No)
                return Answer.No;
            all = one < all ? one : all;
        }

        return all;
    }

    /// <summary>Whether a field has the value of one of some elements. Of several values that packets can have, each may be met by another one.</summary>
    private static Answer Evaluate(PacketClass packet, FieldKey key, IReadOnlyList<FieldElement> elements, int column)
    {
        if (key.Field == PacketField.TcpFlags)
            return elements.Select(e => EvaluateFlags(packet, key, e.Values[column])).DefaultIfEmpty(Answer.No).Max();
        if (packet.Values(key.Field) is not { } possible)
            return elements.Count == 0 ? Answer.No : Answer.Maybe;
        var (some, every) = (false, true);
        foreach (var range in possible)
        {
            var (inside, outside) = (false, true);
            for (var i = 0; i < elements.Count && !inside; i++)
            {
                var (contains, overlaps) = Compare(key, range, elements[i].Values[column]);
                inside |= contains;
                outside &= !overlaps;
            }

            every &= inside;
            some |= !outside;
        }

        return !some ? Answer.No : every ? Answer.Yes : Answer.Maybe;
    }

    private static (bool Contains, bool Overlaps) Compare(FieldKey key, ValueRange range, ValueRange wanted)
    {
        if (key.IsWhole)
            return (wanted.Contains(range), wanted.Overlaps(range));
        if (range.Low != range.High)
            return (false, true);
        var isIn = wanted.Contains(new(range.Low & key.Mask, range.Low & key.Mask));
        return (isIn, isIn);
    }

    private static Answer EvaluateFlags(PacketClass packet, FieldKey key, ValueRange wanted)
    {
        if (wanted.Low != wanted.High)
            return Answer.Maybe;
        var open = key.Mask & ~(UInt128)packet.NoTcpFlags & byte.MaxValue;
        return (wanted.Low & ~open) != 0 ? Answer.No : open == 0 ? Answer.Yes : Answer.Maybe;
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

    private Answer Evaluate(MatchStep match)
    {
        // A packet without the field is matched by nothing, not even by the opposite of something.
        foreach (var key in match.Keys)
        {
            if (_packet.Values(key.Field) is { Length: 0 })
                return Answer.No;
        }

        var any = match.Keys.Count == 1
            ? Evaluate(_packet, match.Keys[0], match.Elements, 0)
            : match.Elements.Select(e => Evaluate(_packet, match.Keys, e)).DefaultIfEmpty(Answer.No).Max();

        // Elements that nobody can know may match.
        if (match.ChangesByItself && any != Answer.Yes)
            any = Answer.Maybe;
        return !match.Negated ? any : any switch { Answer.Yes => Answer.No, Answer.No => Answer.Yes, _ => Answer.Maybe };
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
                    var answer = Evaluate(match);
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
                var answer = Evaluate(_packet, map.Keys, element);
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
