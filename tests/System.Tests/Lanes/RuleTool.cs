using System.Globalization;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>The programs people write firewall rules with. They do not see each other's rules, and the kernel tells of their changes in different ways.</summary>
internal static partial class RuleTool
{
    /// <summary>nftables itself.</summary>
    public const string Nft = "nft";

    /// <summary>iptables on top of nftables.</summary>
    public const string IptablesNft = "iptables-nft";

    /// <summary>iptables on its own tables, of whose changes the kernel tells nobody.</summary>
    public const string IptablesLegacy = "iptables-legacy";

    /// <summary>Drops what one address sends to another, before all other rules of its tool.</summary>
    public static async Task<Rule> DropAsync(LabNode node, string tool, string from, string to)
    {
        if (tool == Nft)
            return await NftAsync(node, $"chain forward {{ type filter hook forward priority filter - 10; ip saddr {from} ip daddr {to} counter drop; }}");
        string[] match = ["FORWARD", "-s", from, "-d", to, "-j", "DROP"];
        await node.RunAsync([tool, "-w", "-I", .. match]);
        return new(
            () => node.RunAsync([tool, "-w", "-D", .. match]),
            async () => First(IptablesPackets(), await node.RunAsync(tool, "-w", "-L", "FORWARD", "-n", "-v", "-x")));
    }

    /// <summary>Sends what goes to an address and port to another one.</summary>
    public static async Task<Rule> TranslateAsync(LabNode node, string tool, string protocol, string from, int fromPort, string to, int toPort)
    {
        if (tool == Nft)
            return await NftAsync(node, $"chain prerouting {{ type nat hook prerouting priority dstnat; ip daddr {from} {protocol} dport {fromPort} counter dnat to {to}:{toPort}; }}");
        string[] match = ["PREROUTING", "-d", from, "-p", protocol, "--dport", $"{fromPort}", "-j", "DNAT", "--to-destination", $"{to}:{toPort}"];
        await node.RunAsync([tool, "-w", "-t", "nat", "-A", .. match]);
        return new(
            () => node.RunAsync([tool, "-w", "-t", "nat", "-D", .. match]),
            async () => First(IptablesPackets(), await node.RunAsync(tool, "-w", "-t", "nat", "-L", "PREROUTING", "-n", "-v", "-x")));
    }

    /// <summary>Puts chains into an nftables table of the test's own.</summary>
    public static async Task<Rule> NftAsync(LabHost host, string chains, string family = "ip")
    {
        (await host.ExecAsync(["nft", "-f", "-"], $"table {family} truth {{\n{chains}\n}}\n")).OrThrow();
        return new(
            () => host.RunAsync("nft", "delete", "table", family, "truth"),
            async () => First(NftPackets(), await host.RunAsync("nft", "list", "table", family, "truth")));
    }

    private static long First(Regex pattern, string listing) =>
        pattern.Match(listing) is { Success: true } match ? long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : throw new LabException($"no counter in:\n{listing}");

    [GeneratedRegex(@"counter packets (\d+)")]
    private static partial Regex NftPackets();

    [GeneratedRegex(@"^ *(\d+) +\d+ (?:DROP|DNAT) ", RegexOptions.Multiline)]
    private static partial Regex IptablesPackets();

    /// <summary>Something that was inserted; it is taken out again when disposed, if it has not been before.</summary>
    public sealed class Rule(Func<Task> remove, Func<Task<long>> packets) : IAsyncDisposable
    {
        private bool _removed;

        /// <summary>How many packets its first counter has seen.</summary>
        public Task<long> PacketsAsync() => packets();

        /// <summary>Takes it out.</summary>
        public async Task RemoveAsync()
        {
            if (!_removed)
                await remove();
            _removed = true;
        }

        /// <inheritdoc/>
        public async ValueTask DisposeAsync() => await RemoveAsync();
    }
}
