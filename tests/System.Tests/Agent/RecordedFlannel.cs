using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>What flannel left on two hosts and in etcd, from <c>fixtures/vxlan</c>.</summary>
internal static partial class RecordedFlannel
{
    /// <summary>The recorded VTEP MAC of node 1, which is also in its key.</summary>
    public const string Mac1 = "76:19:b2:0f:7d:a4";

    /// <summary>The recorded VTEP MAC of node 2.</summary>
    public const string Mac2 = "6e:0b:24:f3:bc:5a";

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "fixtures", "vxlan");

    /// <summary>The keys of both nodes and their values, byte for byte.</summary>
    public static IReadOnlyList<(string Key, string Value)> SubnetKeys { get; } = ReadKeys();

    /// <summary>A value that flannel wrote as our agent writes it: with the announcement that the node understands host-gw.</summary>
    public static string Announcing(string value) => $"{value[..^1]},\"Transports\":[\"vxlan\",\"host-gw\"]}}";

    /// <summary>A whole file of the fixture.</summary>
    public static string Text(string name) => File.ReadAllText(Path.Combine(Folder, name));

    /// <summary>The lines one command printed on a node.</summary>
    public static IReadOnlyList<string> Output(int node, string command) =>
        [.. Text($"node{node}.txt").Split('\n').SkipWhile(l => l != $"$ {command}").Skip(1).TakeWhile(l => l is not ['$', ' ', ..])];

    /// <summary>What <c>ip addr</c> printed about the overlay device of a node.</summary>
    public static IReadOnlyList<string> Addresses(int node)
    {
        var after = Output(node, "ip addr").SkipWhile(l => !OfDevice().IsMatch(l)).ToList();
        return [after[0], .. after.Skip(1).TakeWhile(l => l.StartsWith(' '))];
    }

    /// <summary>Puts both keys under etcd leases of flannel's length.</summary>
    public static async Task SeedAsync(LabEtcd etcd, params IEnumerable<(string Key, string Value)> keys)
    {
        foreach (var (key, value) in keys)
        {
            // "lease 694da1fb75ab140f granted with TTL(86400s)"
            var lease = (await etcd.CtlAsync("lease", "grant", "86400")).Split(' ')[1];
            await etcd.CtlAsync("put", key, value, $"--lease={lease}");
        }
    }

    /// <summary>Makes the device and all that belongs to it on a node, as flannel does it.</summary>
    public static async Task InstallAsync(LabNode node)
    {
        var (own, peer, mac, peerMac) = node.Number == 1 ? ("10.5.60.0", "10.5.88.0", Mac1, Mac2) : ("10.5.88.0", "10.5.60.0", Mac2, Mac1);
        var remote = LabLayout.NodeAddress(3 - node.Number);
        await node.RunAsync("sh", "-ec", $"""
            ip link add flannel.1 txqueuelen 0 mtu 1450 address {mac} type vxlan id 1 local {node.Address} dev eth0 dstport 8472 nolearning
            ip address add {own}/32 dev flannel.1
            ip link set flannel.1 up
            ip route add {peer}/24 via {peer} dev flannel.1 onlink
            ip neighbour add {peer} lladdr {peerMac} dev flannel.1 nud permanent
            bridge fdb add {peerMac} dst {remote} dev flannel.1 self permanent
            """);
        await File.WriteAllTextAsync(node.SubnetFile, Text($"subnet{node.Number}.env"), TestContext.Current.CancellationToken);
    }

    /// <summary>Writes the recorded rules, beside whatever is there.</summary>
    /// <param name="node">Node 1 or 2.</param>
    /// <param name="tool"><c>iptables-nft</c> or <c>iptables-legacy</c>.</param>
    public static async Task InstallRulesAsync(LabNode node, string tool = "iptables-nft") =>
        (await node.ExecAsync([$"{tool}-restore", "--noflush"], string.Join('\n', Output(node.Number, "iptables-save").Append("")))).OrThrow();

    /// <summary>
    /// What flanneld does at its start on a host where it, or somebody in its place, has been before, step by step: the subnet lease by
    /// PublicIP, the device compared and reused or made anew, its address, the rules, subnet.env, and per peer neighbour, forwarding entry
    /// and route, each replaced.
    /// </summary>
    /// <returns>Whether it reused the device.</returns>
    public static async Task<bool> TakeBackAsync(LabNode node, LabEtcd etcd)
    {
        var keys = await etcd.ListAsync(cancel: TestContext.Current.CancellationToken);
        var own = keys.KeyOf(node);
        var device = (await node.IpAsync("link", "show", "type", "vxlan")).SingleOrDefault(l => (string?)l["ifname"] == Overlay.Device);
        var data = device?["linkinfo"]?["info_data"];
        var reused = data is not null && (int)data["id"]! == 1 && (string?)data["link"] == "eth0" && (string?)data["local"] == node.Address.ToString()
            && (int)data["port"]! == 8472 && data["group"] is null && (bool?)data["l2miss"] != true && (bool?)data["gbp"] != true;
        if (!reused)
        {
            if (device is not null)
                await node.RunAsync("ip", "link", "del", Overlay.Device);
            await node.RunAsync("ip", "link", "add", Overlay.Device, "txqueuelen", "0", "mtu", "1450", "type", "vxlan", "id", "1", "local",
                node.Address.ToString(), "dev", "eth0", "dstport", "8472", "nolearning");
        }

        var mac = (string)(await node.IpAsync("link", "show", "dev", Overlay.Device))[0]["address"]!;
        var lease = (await etcd.CtlAsync("lease", "grant", "86400")).Split(' ')[1];
        await etcd.CtlAsync("put", own.Key, LabSteps.LeaseValue(node.Address.ToString(), mac), $"--lease={lease}");
        var subnet = own.Key[(own.Key.LastIndexOf('/') + 1)..].Split('-')[0];
        foreach (var address in (await node.IpAsync("-4", "address", "show", "dev", Overlay.Device)).SelectMany(d => d["addr_info"]!.AsArray()))
        {
            if ((string?)address!["local"] != subnet)
                await node.RunAsync("ip", "address", "del", $"{address["local"]}/{address["prefixlen"]}", "dev", Overlay.Device);
        }

        await node.RunAsync("ip", "address", "replace", $"{subnet}/32", "dev", Overlay.Device);
        await node.RunAsync("ip", "link", "set", Overlay.Device, "up");
        await node.RunAsync("sh", "-ec", """
            iptables-nft -t nat -S FLANNEL-POSTRTG >/dev/null 2>&1 || iptables-nft -t nat -N FLANNEL-POSTRTG
            iptables-nft -S FLANNEL-FWD >/dev/null 2>&1 || iptables-nft -N FLANNEL-FWD
            iptables-nft -t nat -C POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG 2>/dev/null ||
                iptables-nft -t nat -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
            iptables-nft -C FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD 2>/dev/null ||
                iptables-nft -A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
            """);
        var rules = Output(node.Number, "iptables-save").Where(l => l is ['*', ..] or "COMMIT" || l.StartsWith(":FLANNEL", StringComparison.Ordinal)
            || l.StartsWith("-A FLANNEL", StringComparison.Ordinal));
        (await node.ExecAsync(["iptables-nft-restore", "--noflush"], string.Join('\n', rules.Append("")))).OrThrow();
        await File.WriteAllTextAsync(node.SubnetFile, Text($"subnet{node.Number}.env"), TestContext.Current.CancellationToken);
        foreach (var peer in keys.Where(k => k != own))
        {
            var value = JsonNode.Parse(peer.Value)!;
            var cidr = peer.Key[(peer.Key.LastIndexOf('/') + 1)..].Replace('-', '/');
            var (vtep, peerMac) = (cidr.Split('/')[0], (string)value["BackendData"]!["VtepMAC"]!);
            await node.RunAsync("ip", "neighbour", "replace", vtep, "lladdr", peerMac, "dev", Overlay.Device, "nud", "permanent");
            await node.RunAsync("bridge", "fdb", "replace", peerMac, "dst", (string)value["PublicIP"]!, "dev", Overlay.Device, "self", "permanent");
            await node.RunAsync("ip", "route", "replace", cidr, "via", vtep, "dev", Overlay.Device, "onlink");
        }

        return reused;
    }

    private static List<(string, string)> ReadKeys()
    {
        var lines = Text("etcd.txt").Split('\n');
        return [.. lines.Zip(lines.Skip(1)).Where(pair => pair.First.StartsWith($"{LabEtcd.Prefix}/subnets/", StringComparison.Ordinal))];
    }

    [GeneratedRegex(@"^\d+: flannel\.1:")]
    private static partial Regex OfDevice();
}
