using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>What is known about packets against what a rule asks.</summary>
internal static class RuleConditions
{
    /// <summary>Whether a condition holds for packets.</summary>
    public static Answer Evaluate(PacketClass packet, MatchStep match)
    {
        // A packet without the field is matched by nothing, not even by the opposite of something.
        foreach (var key in match.Keys)
        {
            if (packet.Values(key.Field) is { Length: 0 })
                return Answer.No;
        }

        var any = match.Keys.Count == 1
            ? Evaluate(packet, match.Keys[0], match.Elements, 0)
            : match.Elements.Select(e => Evaluate(packet, match.Keys, e)).DefaultIfEmpty(Answer.No).Max();

        // Elements that nobody can know may match.
        if (match.ChangesByItself && any != Answer.Yes)
            any = Answer.Maybe;
        return !match.Negated ? any : any switch { Answer.Yes => Answer.No, Answer.No => Answer.Yes, _ => Answer.Maybe };
    }

    /// <summary>Whether packets have the values of one element.</summary>
    public static Answer Evaluate(PacketClass packet, IReadOnlyList<FieldKey> keys, FieldElement element)
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
}
