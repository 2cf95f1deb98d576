using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Node;

/// <summary>
/// The packet filter rules that flannel leaves on a host: its chains and the jumps to them, in iptables-nft and iptables-legacy, and the
/// tables of its nftables mode. Each is known by its name; nothing else is looked at, nor touched.
/// </summary>
/// <remarks>One caller at a time.</remarks>
public sealed partial class FlannelRules : IDisposable
{
    private static readonly (string Family, string Table)[] Tables = [("ip", "flannel-ipv4"), ("ip6", "flannel-ipv6")];
    private static readonly (string Table, string Chain)[] Chains = [("nat", "FLANNEL-POSTRTG"), ("filter", "FLANNEL-FWD")];
    private static readonly TimeSpan ToolLimit = TimeSpan.FromSeconds(30);

    private NftablesSocket? _socket;
    private NftablesContext? _nft;
    private (uint Generation, IReadOnlyList<FlannelRuleSet> Found)? _last;

    /// <summary>What there is. Reads rules only when the kernel says that they are others than at the last look.</summary>
    /// <exception cref="Interop.NativeException">CAP_NET_ADMIN is missing, or rules change all the time.</exception>
    /// <exception cref="Interop.NativeLibraryMissingException">libnftables is not installed.</exception>
    public IReadOnlyList<FlannelRuleSet> Find() => [.. FindNftables(), .. FindLegacy()];

    /// <summary>Takes one away, with the jumps to it, in one step: no packet sees half of it.</summary>
    /// <exception cref="NftablesException">nftables refused.</exception>
    /// <exception cref="IOException">iptables-legacy is missing or refused.</exception>
    public void Remove(FlannelRuleSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (set.LegacyTool is { } tool)
            RemoveLegacy(tool, set);
        else if (set.Chain is null)
            Nft.Run($"delete table {set.Family} {set.Table}");
        else
            Nft.Run(string.Join('\n', [.. JumpsTo(set), $"flush chain {set.Family} {set.Table} {set.Chain}", $"delete chain {set.Family} {set.Table} {set.Chain}"]));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket?.Dispose();
        _nft?.Dispose();
    }

    private NftablesContext Nft => _nft ??= NftablesContext.Open();

    private IReadOnlyList<FlannelRuleSet> FindNftables()
    {
        _socket ??= NftablesSocket.TryOpen();
        if (_socket?.GetGeneration() is not { } generation)
            return [];
        if (_last is { } last && last.Generation == generation)
            return last.Found;
        // A list of chains comes without their rules, so this is cheap beside any number of them.
        var (table, found) = ("", new List<FlannelRuleSet>());
        foreach (var line in Nft.RunStateless("list tables\nlist chains").Split('\n'))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is ["\ttable" or "table", var family, var name, ..])
            {
                table = $"{family} {name}";
                if (Tables.Contains((family, name)) && words.Length == 3)
                    found.Add(new FlannelRuleSet(family, name, null, null));
            }
            else if (words is ["\tchain" or "chain", var chain, ..] && table.Split(' ') is ["ip" or "ip6", var of] && Chains.Contains((of, chain)))
            {
                found.Add(new FlannelRuleSet(table.Split(' ')[0], of, chain, null));
            }
        }

        _last = (generation, found);
        return found;
    }

    /// <summary>The commands that delete the rules which lead to a chain.</summary>
    private IEnumerable<string> JumpsTo(FlannelRuleSet set)
    {
        using var json = JsonDocument.Parse(Nft.RunJson($"list table {set.Family} {set.Table}"));
        foreach (var item in json.RootElement.GetProperty("nftables").EnumerateArray())
        {
            if (item.TryGetProperty("rule", out var rule) && rule.GetProperty("expr").EnumerateArray().Any(e => Leads(e, "jump") || Leads(e, "goto")))
                yield return $"delete rule {set.Family} {set.Table} {rule.GetProperty("chain").GetString()} handle {rule.GetProperty("handle").GetUInt64()}";
        }

        bool Leads(JsonElement expression, string verdict) => expression.ValueKind == JsonValueKind.Object
            && expression.TryGetProperty(verdict, out var to) && to.ValueKind == JsonValueKind.Object && to.GetProperty("target").GetString() == set.Chain;
    }

    private static IEnumerable<FlannelRuleSet> FindLegacy()
    {
        foreach (var table in IptablesLegacy.Read().Tables)
        {
            foreach (var (of, chain) in Chains)
            {
                if (table.Name == of && table.Chains.Any(c => c.Name == chain))
                    yield return new FlannelRuleSet("ip", of, chain, "iptables-legacy");
            }
        }

        // The kernel's own reading of these rules is for IPv4; that they are in use at all is one small file.
        foreach (var (of, chain) in Chains)
        {
            if (LegacyIPv6().Contains(of) && Run("ip6tables-legacy", ["-w", "-t", of, "-S"], null).Split('\n').Contains($"-N {chain}"))
                yield return new FlannelRuleSet("ip6", of, chain, "ip6tables-legacy");
        }
    }

    private static string[] LegacyIPv6()
    {
        try
        {
            return File.ReadAllLines("/proc/thread-self/net/ip6_tables_names");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return [];
        }
    }

    private static void RemoveLegacy(string tool, FlannelRuleSet set)
    {
        var jumps = Run(tool, ["-w", "-t", set.Table, "-S"], null).Split('\n')
            .Where(l => l.StartsWith("-A ", StringComparison.Ordinal) && LegacyTarget().Match(l) is { Success: true } m && m.Groups[1].Value == set.Chain);
        Run($"{tool}-restore", ["--noflush", "-w"],
            $"*{set.Table}\n{string.Concat(jumps.Select(j => $"-D {j[3..]}\n"))}-F {set.Chain}\n-X {set.Chain}\nCOMMIT\n");
    }

    private static string Run(string tool, string[] arguments, string? input)
    {
        var command = $"{tool} {string.Join(' ', arguments)}";
        var start = new ProcessStartInfo(tool, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LC_ALL"] = "C";
        try
        {
            using var process = Process.Start(start)!;
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            process.StandardInput.Write(input);
            process.StandardInput.Close();
            if (!process.WaitForExit(ToolLimit))
            {
                process.Kill(entireProcessTree: true);
                throw new IOException($"{command}: no end after {ToolLimit.TotalSeconds:0} s");
            }

            return process.ExitCode == 0
                ? output.GetAwaiter().GetResult()
                : throw new IOException($"{command}: exit code {process.ExitCode}: {errors.GetAwaiter().GetResult().Trim()}");
        }
        catch (Win32Exception) when (tool.Contains("-legacy", StringComparison.Ordinal))
        {
            // Distributions from before nftables have the legacy tool under its first name.
            return Run(tool.Replace("-legacy", "", StringComparison.Ordinal), arguments, input);
        }
        catch (Win32Exception e)
        {
            throw new IOException($"{tool} cannot be run, and these rules need it: {e.Message} (apt-get install iptables)", e);
        }
    }

    // Behind the comment, which may say anything.
    [GeneratedRegex(@" -[jg] (\S+)\z", RegexOptions.CultureInvariant)]
    private static partial Regex LegacyTarget();
}
