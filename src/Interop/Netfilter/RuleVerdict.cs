namespace Accelerated.Interop.Netfilter;

/// <summary>What happens to a packet.</summary>
/// <param name="Kind">What.</param>
/// <param name="Chain">Where to, for a jump and a goto.</param>
public readonly record struct RuleVerdict(VerdictKind Kind, string? Chain = null);
