namespace Accelerated.Interop.Netfilter;

/// <summary>Does what the first element says that the packet's fields match; ends the rule if none does.</summary>
/// <param name="Keys">What is looked at.</param>
/// <param name="Elements">Each with one range of values per key, and a verdict.</param>
/// <param name="Set">The named map; null for one that is part of the rule.</param>
/// <param name="ChangesByItself">Whether elements come and go without a word.</param>
public sealed record VerdictMapStep(
    IReadOnlyList<FieldKey> Keys, IReadOnlyList<FieldElement> Elements, string? Set = null, bool ChangesByItself = false) : RuleStep;
