namespace Accelerated.Interop.Netfilter;

/// <summary>Decides.</summary>
/// <param name="Verdict">What happens to the packet.</param>
public sealed record VerdictStep(RuleVerdict Verdict) : RuleStep;
