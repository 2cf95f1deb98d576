namespace Accelerated.Interop.Netfilter;

/// <summary>Goes on only if the packet's fields are (or are not) those of one of the elements.</summary>
/// <param name="Keys">What is looked at.</param>
/// <param name="Elements">Each with one range of values per key.</param>
/// <param name="Negated">Goes on if no element matches.</param>
/// <param name="Set">The named set the elements are from; null for elements that are part of the rule.</param>
/// <param name="ChangesByItself">Whether elements come and go without a word: they time out, or packets add them.</param>
public sealed record MatchStep(
    IReadOnlyList<FieldKey> Keys, IReadOnlyList<FieldElement> Elements, bool Negated, string? Set = null, bool ChangesByItself = false) : RuleStep
{
    /// <summary>A step that looks at one field.</summary>
    public static MatchStep One(PacketField field, UInt128 low, UInt128 high, bool negated = false) =>
        new([new FieldKey(field)], [new FieldElement([new ValueRange(low, high)])], negated);

    /// <summary>A step that looks at some bits of one field.</summary>
    public static MatchStep Masked(PacketField field, UInt128 mask, UInt128 value, bool negated = false) =>
        new([new FieldKey(field, mask)], [new FieldElement([new ValueRange(value, value)])], negated);

    /// <summary>A step that looks at some bits of one field, and what it does about them nobody here knows.</summary>
    public static MatchStep Reads(FieldKey key) => new([key], [new FieldElement([ValueRange.Any])], Negated: false);

    /// <summary>A step that goes on for no packet.</summary>
    public static MatchStep Never { get; } = new([new FieldKey(PacketField.Other)], [], Negated: false);
}
