namespace Accelerated.Interop.Netfilter;

/// <summary>A rule: steps that are taken in order until one does not match or decides.</summary>
/// <param name="Handle">nftables' handle; for legacy iptables the number in its chain, from 1 (<c>iptables -L --line-numbers</c>).</param>
/// <param name="Steps">What it does.</param>
public sealed record FilterRule(ulong Handle, IReadOnlyList<RuleStep> Steps)
{
    /// <summary>What its author wrote beside it (<c>comment</c>, <c>-m comment --comment</c>); null for none.</summary>
    public string? Comment { get; init; }
}
