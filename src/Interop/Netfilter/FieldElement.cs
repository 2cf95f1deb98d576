namespace Accelerated.Interop.Netfilter;

/// <summary>One element of a condition.</summary>
/// <param name="Values">One range of values per key.</param>
/// <param name="Verdict">What a map's element says; otherwise meaningless.</param>
public sealed record FieldElement(IReadOnlyList<ValueRange> Values, RuleVerdict Verdict = default);
