using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// The overlay on one host as sorted lines of text: as the kernel has it (seen through iproute2), and as the keys in etcd alone
/// say that it should be. Ifindexes are left out, and so are the routes the kernel makes itself.
/// </summary>
internal static partial class Overlay
{
    /// <summary>flannel's device for VNI 1.</summary>
    public const string Device = "flannel.1";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>What the kernel has.</summary>
    public static async Task<string> OfKernelAsync(LabNode node)
    {
        var device = (await node.IpAsync("link", "show", "type", "vxlan")).SingleOrDefault(l => Text(l, "ifname") == Device);
        var routes = (await node.IpAsync("-4", "route", "show", "table", "main")).Where(r => Text(r, "protocol") != "kernel").Select(Route);
        if (device is null)
            return Lines(routes);
        var (addresses, neighbours, fdb) = (
            await node.IpAsync("-4", "address", "show", "dev", Device), await node.IpAsync("-4", "neighbour", "show", "dev", Device),
            await node.BridgeAsync("fdb", "show", "dev", Device));
        return Lines([
            DeviceLine(device),
            .. addresses.SelectMany(a => a["addr_info"]!.AsArray()).OfType<JsonObject>()
                .Select(a => $"address {Text(a, "local")}/{Text(a, "prefixlen")}"),
            .. routes,
            .. neighbours.Select(n => $"neighbour {Text(n, "dst")} {Text(n, "lladdr")} {Words(n, "state")}"),
            .. fdb.Select(f => $"fdb {Text(f, "mac")} {Text(f, "dst")} {Words(f, "flags")} {Text(f, "state")}"),
        ]);
    }

    /// <summary>What the kernel should have, by flannel's rules, if every key is a good one.</summary>
    public static string Of(LabNode node, IEnumerable<EtcdKey> keys)
    {
        var lines = new List<string>();
        foreach (var key in keys)
        {
            var cidr = key.Key[(key.Key.LastIndexOf('/') + 1)..].Replace('-', '/');
            var address = cidr.Split('/')[0];
            var value = JsonNode.Parse(key.Value)!;
            var (publicIP, mac) = ((string)value["PublicIP"]!, (string)value["BackendData"]!["VtepMAC"]!);
            lines.AddRange(publicIP == node.Address.ToString()
                ?
                [
                    $"device {Device} UP {mac} mtu 1450 vni 1 port 8472 local {publicIP} dev eth0 learning false",
                    $"address {address}/32",
                ]
                :
                [
                    $"route unicast {cidr} via {address} dev {Device} protocol 143 metric 0 onlink",
                    $"neighbour {address} {mac} PERMANENT",
                    $"fdb {mac} {publicIP} self permanent",
                ]);
        }
        return Lines(lines);
    }

    /// <summary>
    /// Our nftables table as nft lists it, without what counters have counted, and without the accept mark, which changes with every
    /// generation; empty if there is none.
    /// </summary>
    public static async Task<string> RulesAsync(LabNode node)
    {
        var listing = await node.ExecAsync("nft", "-s", "list", "table", "inet", "accelerated-default");
        return listing.Succeeded ? AcceptMark().Replace(listing.Stdout, "") : "";
    }

    /// <summary>Waits until the kernel has exactly this.</summary>
    /// <exception cref="LabException">It does not get there; the message shows both and the end of the agent's log.</exception>
    public static Task WaitAsync(LabNode node, string expected, TimeSpan? deadline = null)
    {
        var last = "";
        return Wait.UntilAsync(
            $"the overlay of {node.Namespace}", async () => (last = await OfKernelAsync(node)) == expected, deadline,
            () => $"expected:\n{expected}\nthe kernel has:\n{last}\n{node.LogTail()}", Cancel);
    }

    /// <summary>Waits until the kernel of each host has exactly what the keys say.</summary>
    public static async Task WaitAllAsync(IEnumerable<LabNode> nodes, IReadOnlyList<EtcdKey> keys)
    {
        foreach (var node in nodes)
            await WaitAsync(node, Of(node, keys));
    }

    /// <summary>Pings between containers of different hosts, in both directions.</summary>
    public static async Task PingAsync(IEnumerable<(LabPod A, LabPod B)> pairs)
    {
        var runs = pairs.SelectMany(p => ((LabPod, LabPod)[])[(p.A, p.B), (p.B, p.A)]);
        await Parallel.ForEachAsync(runs, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Cancel }, async (run, token) =>
        {
            var (from, to) = run;
            var result = await from.PingAsync(to.Address, count: 2, token);
            Assert.True(result.Lost == 0, $"{from.Namespace} → {to.Namespace} ({to.Address}): {result}");
        });
    }

    private static string DeviceLine(JsonObject link)
    {
        var vxlan = link["linkinfo"]!["info_data"]!.AsObject();
        var state = link["flags"]!.AsArray().Any(f => (string?)f == "UP") ? "UP" : "DOWN";
        return $"device {Text(link, "ifname")} {state} {Text(link, "address")} mtu {Text(link, "mtu")} vni {Text(vxlan, "id")} "
            + $"port {Text(vxlan, "port")} local {Text(vxlan, "local")} dev {Text(vxlan, "link")} learning {Text(vxlan, "learning")}";
    }

    private static string Route(JsonObject route) =>
        $"route {Text(route, "type")} {Text(route, "dst")} via {Text(route, "gateway")} dev {Text(route, "dev")} protocol {Text(route, "protocol")} "
        + $"metric {route["metric"]?.ToString() ?? "0"} {Words(route, "flags")}".TrimEnd();

    private static string Text(JsonObject o, string name) => o[name]?.ToString() ?? "-";

    private static string Words(JsonObject o, string name) => string.Join(' ', o[name]!.AsArray().Select(w => w!.ToString()));

    [GeneratedRegex(@"\n\tchain accept(ed|_mark) \{.*?\n\t\}\n", RegexOptions.Singleline)]
    private static partial Regex AcceptMark();

    private static string Lines(IEnumerable<string> lines) => string.Join('\n', lines.Order(StringComparer.Ordinal));
}
