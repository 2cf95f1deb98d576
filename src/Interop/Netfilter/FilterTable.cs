namespace Accelerated.Interop.Netfilter;

/// <summary>A table of packet filter rules, nftables' or legacy iptables', in a form in which both look the same.</summary>
/// <param name="Family">Which packets it sees.</param>
/// <param name="Name">Its name.</param>
/// <param name="IsLegacy">Whether it is one of legacy iptables (x_tables), which <c>nft</c> does not show.</param>
/// <param name="UsesConntrack">Whether anything in it makes the kernel track connections.</param>
/// <param name="Chains">All chains, in the kernel's order.</param>
public sealed record FilterTable(
    FilterFamily Family, string Name, bool IsLegacy, bool UsesConntrack, IReadOnlyList<FilterChain> Chains);
