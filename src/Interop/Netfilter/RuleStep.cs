namespace Accelerated.Interop.Netfilter;

/// <summary>One condition or action of a rule.</summary>
public abstract record RuleStep;
