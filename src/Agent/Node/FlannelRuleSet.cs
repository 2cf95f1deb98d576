namespace Accelerated.Agent.Node;

/// <summary>Rules of flannel's that belong together.</summary>
/// <param name="Family"><c>ip</c> or <c>ip6</c>.</param>
/// <param name="Table">The table.</param>
/// <param name="Chain">flannel's chain in it; null if the whole table is flannel's.</param>
/// <param name="LegacyTool">The command that works on them when they are iptables-legacy's; null when they are in nftables.</param>
public sealed record FlannelRuleSet(string Family, string Table, string? Chain, string? LegacyTool)
{
    /// <summary>For people.</summary>
    public override string ToString() => Chain is null
        ? $"flannel's nftables table {Family} {Table}"
        : $"flannel's chain {Chain} and the jumps to it ({LegacyTool ?? (Family == "ip" ? "iptables-nft" : "ip6tables-nft")} -t {Table})";
}
