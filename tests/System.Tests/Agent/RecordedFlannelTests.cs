using System.Text.RegularExpressions;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// On the subnet, MAC and keys that were recorded from flannel, a node looks as flannel's looked, word by word. Set aside are
/// the ifindex, our route protocol, and the transmit queue length: flannel sets 0 by oversight, which starves a qdisc that someone
/// attaches later; a device that flannel made keeps its 0.
/// </summary>
public sealed partial class RecordedFlannelTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly LabSpec OneNode = new() { Nodes = 1, PodsPerNode = 0 };

    [Fact]
    public async Task Node_RecordedKeysInEtcd_EqualsTheRecordedNode()
    {
        var lab = await UpAsync(OneNode);
        await RecordedFlannel.SeedAsync(lab.Etcd, RecordedFlannel.SubnetKeys);
        var before = await lab.Etcd.ListAsync(cancel: Cancel);

        await RunAsync(lab);

        await AssertLooksAsRecordedAsync(lab.Node(1));
        // Nothing on this host says that the lease is its own, so it is written under another etcd lease.
        await AssertKeysStayedAsync(lab, before, isClaimed: true);
        Assert.Equal(RecordedFlannel.Text("subnet1.env"), await File.ReadAllTextAsync(lab.Node(1).SubnetFile, Cancel));
        Assert.Equal("644 755", $"{Mode(lab.Node(1).SubnetFile)} {Mode(lab.Node(1).RunDirectory)}");
    }

    [Fact]
    public async Task Node_DeviceAndLeftoversOfFlannel_AreAdopted()
    {
        var lab = await UpAsync(OneNode);
        await RecordedFlannel.SeedAsync(lab.Etcd, RecordedFlannel.SubnetKeys);
        await RecordedFlannel.InstallAsync(lab.Node(1));
        // A peer that left while no daemon ran (flannel #2554), and what its host-gw backend leaves.
        await lab.Node(1).RunAsync("sh", "-ec", """
            ip route add 10.5.99.0/24 via 10.5.99.0 dev flannel.1 onlink
            ip neighbour add 10.5.99.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent
            bridge fdb add 02:00:00:00:00:99 dst 192.0.2.99 dev flannel.1 self permanent
            ip route add 10.5.98.0/24 via 192.0.2.2 dev eth0
            """);
        var before = await lab.Etcd.ListAsync(cancel: Cancel);
        var ifindex = await IfIndexAsync(lab.Node(1));

        await RunAsync(lab);

        await AssertLooksAsRecordedAsync(lab.Node(1));
        Assert.Equal(ifindex, await IfIndexAsync(lab.Node(1)));
        await AssertKeysStayedAsync(lab, before);
    }

    [Fact]
    public async Task Node_NoKeyButSubnetFileAndDeviceOfFlannel_WritesTheRecordedKey()
    {
        var lab = await UpAsync(OneNode);
        await RecordedFlannel.SeedAsync(lab.Etcd, RecordedFlannel.SubnetKeys[1]);
        await RecordedFlannel.InstallAsync(lab.Node(1));

        await RunAsync(lab);

        var keys = await lab.Etcd.ListAsync(cancel: Cancel);
        var (own, peer) = (RecordedFlannel.SubnetKeys[0], RecordedFlannel.SubnetKeys[1]);
        Assert.Equal([(own.Key, RecordedFlannel.Announcing(own.Value)), peer], keys.Select(k => (k.Key, k.Value)));
        Assert.Contains("TTL(86400s)", await lab.Etcd.CtlAsync("lease", "timetolive", $"{keys[0].LeaseId:x}"), StringComparison.Ordinal);
        await AssertLooksAsRecordedAsync(lab.Node(1));
    }

    [Fact]
    public async Task TwoNodes_AgentsTakeOverFromFlannel_NoPacketIsLost()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2 });
        await RecordedFlannel.SeedAsync(lab.Etcd, RecordedFlannel.SubnetKeys);
        foreach (var node in lab.Nodes)
        {
            await RecordedFlannel.InstallAsync(node);
            await node.AttachPodsAsync(Cancel);
        }
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, TimeSpan.FromMilliseconds(5));
        await ping.WaitAnswersAsync(20, cancel: Cancel);

        await lab.StartAllWithoutPodsAsync(Cancel);
        await Overlay.WaitAllAsync(lab.Nodes, await lab.Etcd.ListAsync(cancel: Cancel));
        await ping.WaitAnswersAsync(20, cancel: Cancel);

        var result = await ping.StopAsync();
        Output.WriteLine($"measured: {result}");
        Assert.Equal(0, result.Lost);
    }

    private static async Task RunAsync(NetworkLab lab)
    {
        await lab.StartAllWithoutPodsAsync(Cancel);
        await Overlay.WaitAllAsync(lab.Nodes, await lab.Etcd.ListAsync(cancel: Cancel));
    }

    /// <summary>Same keys on the same etcd leases; in our own one thing is said that flannel does not say, and that it passes over.</summary>
    private static async Task AssertKeysStayedAsync(NetworkLab lab, IReadOnlyList<EtcdKey> before, bool isClaimed = false)
    {
        var after = await lab.Etcd.ListAsync(cancel: Cancel);
        if (isClaimed)
        {
            Assert.NotEqual(before[0].LeaseId, after[0].LeaseId);
            Assert.Contains("TTL(86400s)", await lab.Etcd.CtlAsync("lease", "timetolive", $"{after[0].LeaseId:x}"), StringComparison.Ordinal);
        }

        Assert.Equal(
            before.Select((k, i) => (k.Key, i == 0 ? RecordedFlannel.Announcing(k.Value) : k.Value, isClaimed && i == 0 ? after[0].LeaseId : k.LeaseId)),
            after.Select(k => (k.Key, k.Value, k.LeaseId)));
    }

    private static async Task AssertLooksAsRecordedAsync(LabNode node)
    {
        await node.WaitLinkLocalAsync(Cancel);
        Assert.Equal(
            Words(RecordedFlannel.Output(1, "ip -d link show type vxlan")),
            Words(await LinesAsync(node, "ip", "-d", "link", "show", "type", "vxlan")));
        Assert.Equal(Words(RecordedFlannel.Addresses(1)), Words(await LinesAsync(node, "ip", "addr", "show", "dev", Overlay.Device)));
        Assert.Equal(
            Words(OnDevice(RecordedFlannel.Output(1, "ip route"))),
            Words(OnDevice([.. await LinesAsync(node, "ip", "route"), .. await LinesAsync(node, "ip", "-6", "route")])));
        Assert.Equal(Words(OnDevice(RecordedFlannel.Output(1, "ip neigh"))), Words(OnDevice(await LinesAsync(node, "ip", "neigh"))));
        Assert.Equal(
            Words(RecordedFlannel.Output(1, "bridge fdb show dev flannel.1")),
            Words(await LinesAsync(node, "bridge", "fdb", "show", "dev", Overlay.Device)));
    }

    private static async Task<string[]> LinesAsync(LabNode node, params string[] command) => (await node.RunAsync(command)).Split('\n');

    private static IEnumerable<string> OnDevice(IEnumerable<string> lines) =>
        lines.Where(l => l.Contains($" dev {Overlay.Device} ", StringComparison.Ordinal));

    // One word per element, so that a difference is shown by its place.
    private static string[] Words(IEnumerable<string> lines) =>
        Ours().Replace(string.Join('\n', lines), "").Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    private static async Task<int> IfIndexAsync(LabNode node) => (int)(await node.IpAsync("link", "show", "dev", Overlay.Device))[0]["ifindex"]!;

    private static string Mode(string path) => Convert.ToString((int)File.GetUnixFileMode(path), 8);

    [GeneratedRegex(@"(?m)^\d+: | qlen 1000| proto 143")]
    private static partial Regex Ours();
}
