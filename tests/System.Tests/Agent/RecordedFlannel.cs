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

    private static List<(string, string)> ReadKeys()
    {
        var lines = Text("etcd.txt").Split('\n');
        return [.. lines.Zip(lines.Skip(1)).Where(pair => pair.First.StartsWith($"{LabEtcd.Prefix}/subnets/", StringComparison.Ordinal))];
    }

    [GeneratedRegex(@"^\d+: flannel\.1:")]
    private static partial Regex OfDevice();
}
