using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.Soak;

/// <summary>
/// All that an agent is responsible for on its host, as sorted lines of text, seen through iproute2, nft and bpftool: two hosts, or one host
/// at two times, are equal if the texts are. What counts, and what is numbered anew each time, is left out.
/// </summary>
internal static partial class KernelState
{
    private const string Device = "flannel.1";

    // Numbers the kernel gives out, and times.
    private static readonly HashSet<string> Volatile =
        ["ifindex", "link_index", "iif", "stats", "stats64", "valid_life_time", "preferred_life_time", "used", "refcnt", "probes", "confirmed", "updated"];

    /// <summary>Looks.</summary>
    /// <exception cref="LabException">A tool failed.</exception>
    public static async Task<string> ReadAsync(LabNode node)
    {
        var lines = new List<string>();
        lines.AddRange(Lines("device", (await node.IpAsync("link", "show", "type", "vxlan")).Select(Stable)));
        lines.AddRange(Lines("address", (await node.IpAsync("-4", "address", "show", "dev", Device)).SelectMany(a => a["addr_info"]!.AsArray()).OfType<JsonObject>().Select(Stable)));
        lines.AddRange(Lines("route", (await node.IpAsync("-4", "route", "show", "table", "all")).Where(r => (string?)r["protocol"] != "kernel").Select(Stable)));
        lines.AddRange(Lines("neighbour", (await node.IpAsync("-4", "neighbour", "show", "dev", Device)).Select(Stable)));
        lines.AddRange(Lines("fdb", (await node.BridgeAsync("fdb", "show", "dev", Device)).Select(Stable)));
        lines.AddRange((await LanesAsync(node)).Select(l => $"lanes {l}"));
        lines.AddRange(Lines("status", [Chosen(await node.StatusAsync())]));
        lines.Sort(StringComparer.Ordinal);
        lines.AddRange(AcceptMark().Replace(await node.RunAsync("nft", "-s", "list", "ruleset"), "").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => $"nft {l}"));
        lines.AddRange((await File.ReadAllLinesAsync(node.SubnetFile)).Select(l => $"subnet.env {l}"));
        return string.Join('\n', lines);
    }

    /// <summary>The lines that only one of two states has, marked with - and +.</summary>
    public static string Difference(string before, string after)
    {
        var (one, other) = (before.Split('\n'), after.Split('\n'));
        return string.Join('\n', [.. one.Except(other).Select(l => $"- {l}"), .. other.Except(one).Select(l => $"+ {l}")]);
    }

    /// <summary>What is pinned, and what the maps say; empty without lanes.</summary>
    private static async Task<IEnumerable<string>> LanesAsync(LabNode node)
    {
        var pins = SoakLab.Pins(node);
        if (!Directory.Exists(pins))
            return [];
        var lines = new List<string>();
        foreach (var path in Directory.EnumerateFiles(pins, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(pins, path);
            lines.Add($"pin {name}");
            switch (Path.GetFileName(name))
            {
                case "subnets" or "guard_allow":
                    lines.AddRange((await DumpAsync(node, path)).Select(e => $"{name} {e["formatted"]?.ToJsonString() ?? e.ToJsonString()}"));
                    break;
                case "vteps":
                    // The values count packets.
                    lines.AddRange((await DumpAsync(node, path)).Select(e => $"{name} {(e["formatted"]?["key"] ?? e["key"])!.ToJsonString()}"));
                    break;
                case "config":
                    lines.AddRange((await DumpAsync(node, path)).Select(e => $"{name} {Cookie().Replace(Ifindexes().Replace((e["formatted"] ?? e).ToJsonString(), ""), "")}"));
                    break;
            }
        }

        return lines;
    }

    private static async Task<IEnumerable<JsonObject>> DumpAsync(LabNode node, string path) =>
        JsonNode.Parse(await node.RunAsync("bpftool", "-j", "map", "dump", "pinned", path))!.AsArray().OfType<JsonObject>();

    /// <summary>What the agent itself says of it.</summary>
    private static JsonObject Chosen(JsonObject status)
    {
        string[] names = ["health", "ready", "provisional", "network", "subnet", "publicIP", "interface", "device", "vni", "port", "vtepMac", "mtu", "datapath", "datapathReason", "masquerade", "containers", "rejected", "problems"];
        var chosen = new JsonObject(names.Select(n => KeyValuePair.Create(n, status[n]?.DeepClone())));
        chosen["peers"] = new JsonArray([.. status["peers"]!.AsArray().OfType<JsonObject>().Select(p =>
        {
            var peer = p.DeepClone().AsObject();
            peer.Remove("traffic");
            return (JsonNode)peer;
        })]);
        return chosen;
    }

    private static IEnumerable<string> Lines(string what, IEnumerable<JsonObject> objects) => objects.Select(o => $"{what} {o.ToJsonString()}");

    private static JsonObject Stable(JsonObject o)
    {
        var stable = o.DeepClone().AsObject();
        foreach (var name in stable.Select(p => p.Key).Where(Volatile.Contains).ToList())
            stable.Remove(name);
        return stable;
    }

    // The accept mark is another one with every generation of rules.
    [GeneratedRegex(@"\n\tchain accept(ed|_mark) \{.*?\n\t\}\n", RegexOptions.Singleline)]
    private static partial Regex AcceptMark();

    // Drawn once for the maps; two zeros would be no cookie.
    [GeneratedRegex(@"""cookie"":\[(?!0,0\])\d+,\d+\],?")]
    private static partial Regex Cookie();

    [GeneratedRegex(@"""(overlay|underlay)_ifindex"":\d+,?")]
    private static partial Regex Ifindexes();
}
