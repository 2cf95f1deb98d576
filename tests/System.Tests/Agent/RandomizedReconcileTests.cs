using System.Diagnostics;
using System.Globalization;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// Whatever order things happen in, in etcd and by hand in the kernel: in the end a node is as one that is started then for the
/// first time. The oracle is a second lab with the same keys, the same subnet.env, and an agent that saw nothing of the past.
/// </summary>
public sealed class RandomizedReconcileTests(ITestOutputHelper output) : LabTest(output)
{
    private const int Steps = 80;
    private static readonly LabSpec OneNode = new() { Nodes = 1, PodsPerNode = 0 };

    /// <summary>Some of these fail, depending on what came before; that is part of it.</summary>
    private static readonly string[] Meddling =
    [
        "ip link del flannel.1",
        "ip link set flannel.1 down",
        "ip link set flannel.1 address 02:00:00:00:00:NN",
        "ip link set flannel.1 mtu 13NN",
        "ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dev eth0 dstport 4789; ip link set flannel.1 up",
        "ip address flush dev flannel.1",
        "ip address add 10.5.NN.1/32 dev flannel.1",
        "ip route flush dev flannel.1",
        "ip route del 10.5.NN.0/24",
        "ip route replace 10.5.NN.0/24 via 192.0.2.11 dev eth0 proto 143",
        "ip route replace 10.5.NN.0/24 via 10.5.NN.0 dev flannel.1 onlink",
        "ip route replace blackhole 10.5.NN.0/24 proto 143",
        "ip neighbour flush dev flannel.1 nud permanent",
        "ip neighbour replace 10.5.NN.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent",
        "bridge fdb replace 02:00:00:00:01:NN dst 192.0.2.99 dev flannel.1",
        "bridge fdb del 02:00:00:00:01:NN dev flannel.1",
        "bridge fdb append 00:00:00:00:00:00 dst 192.0.2.NN dev flannel.1",
        "nft delete table inet accelerated-default",
        "nft flush ruleset",
        "nft insert rule inet accelerated-default forward drop",
    ];

    /// <summary>1 to 4, or what <c>ACCELERATED_SEEDS</c> says, such as <c>100-160</c>, for a longer hunt.</summary>
    public static TheoryData<int> Seeds
    {
        get
        {
            var range = (Environment.GetEnvironmentVariable("ACCELERATED_SEEDS") is { Length: > 0 } given ? given : "1-4").Split('-');
            var (first, last) = (int.Parse(range[0], CultureInfo.InvariantCulture), int.Parse(range[^1], CultureInfo.InvariantCulture));
            return [.. Enumerable.Range(first, last - first + 1)];
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Node_RandomPast_EndsAsAFreshOne(int seed)
    {
        Output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var lab = await UpAsync(OneNode);
        await lab.StartAllAsync(cancel: Cancel);
        for (var step = 0; step < Steps; step++)
            await StepAsync(lab, random);
        // At the end two that are good in any case, so that there is something to compare.
        await PutAsync(lab, "10.5.201.0-24", LabSteps.LeaseValue("192.0.2.201", "02:00:00:00:02:01"));
        await PutAsync(lab, "10.5.202.0-24", LabSteps.LeaseValue("192.0.2.202", "02:00:00:00:02:02"));
        var watch = Stopwatch.StartNew();

        var fresh = await FreshAsync(lab);

        var (aged, born) = (("", ""), ("", ""));
        await Wait.UntilAsync(
            "the end state",
            async () => (aged = await StateAsync(lab)) == (born = await StateAsync(fresh))
                && aged.Item1.Contains("192.0.2.201") && aged.Item1.Contains("192.0.2.202"),
            TimeSpan.FromSeconds(40), () => $"seed {seed}\na node with a past:\n{aged}\na fresh one:\n{born}\n{lab.Node(1).LogTail()}", Cancel);
        var lines = aged.Item1.Split('\n').Length;
        Output.WriteLine($"measured: seed {seed}: {Steps} steps, equal to a fresh node {watch.Elapsed.TotalSeconds:0.0} s later, {lines} lines");
        Assert.Equal(await KeysAsync(lab), await KeysAsync(fresh));
    }

    private static async Task StepAsync(NetworkLab lab, Random random)
    {
        var node = lab.Node(1);
        switch (random.Next(19))
        {
            case < 6:
                await PutAsync(lab, Subnet(random), LabSteps.LeaseValue($"192.0.2.{random.Next(11, 20)}", $"02:00:00:00:01:{random.Next(10, 20)}"));
                break;
            case < 8:
                await PutAsync(lab, BadSubnet(random), LabSteps.LeaseValue($"192.0.2.{random.Next(11, 20)}", $"02:00:00:00:01:{random.Next(10, 20)}"));
                break;
            case < 10:
                await PutAsync(lab, Subnet(random), BadValue(random));
                break;
            case < 13:
                await lab.Etcd.CtlAsync("del", LabSteps.KeyName(Subnet(random)));
                break;
            case 13:
                await MeddleWithOwnKeyAsync(lab, random);
                break;
            default:
                var script = Meddling[random.Next(Meddling.Length)].Replace("NN", random.Next(10, 20).ToString(CultureInfo.InvariantCulture));
                await node.ExecAsync("sh", "-c", script);
                break;
        }
        if (random.Next(40) == 0)
        {
            await node.KillAgentAsync();
            node.StartAgent();
            await node.WaitReadyAsync(cancel: Cancel);
        }
    }

    private static async Task MeddleWithOwnKeyAsync(NetworkLab lab, Random random)
    {
        if ((await lab.Etcd.ListAsync(cancel: Cancel)).FirstOrDefault(k => k.Value.Contains($"\"{lab.Node(1).Address}\"")) is not { } own)
            return;
        string[] command = random.Next(4) switch
        {
            0 => ["del", own.Key],
            1 when own.LeaseId != 0 => ["lease", "revoke", $"{own.LeaseId:x}"],
            2 => ["put", own.Key, LabSteps.LeaseValue("192.0.2.88", "02:00:00:00:00:88")],
            _ => ["put", own.Key, LabSteps.LeaseValue(lab.Node(1).Address.ToString(), $"02:00:00:00:03:{random.Next(10, 20)}")],
        };
        await lab.Etcd.CtlAsync(command);
    }

    private static string Subnet(Random random) => $"10.5.{random.Next(10, 20)}.0-24";

    private static string BadSubnet(Random random) => random.Next(6) switch
    {
        0 => $"10.5.{random.Next(10, 20)}.128-25", // overlaps
        1 => "10.5.8.0-21", // overlaps many
        2 => $"10.99.{random.Next(10, 20)}.0-24", // outside Network
        3 => $"10.5.{random.Next(10, 20)}.7-24", // host bits
        4 => "192.0.2.0-24", // the underlay
        _ => "nonsense",
    };

    private static string BadValue(Random random) => random.Next(7) switch
    {
        0 => "{",
        1 => "[]",
        2 => """{"PublicIP":"300.1.1.1"}""",
        3 => """{"PublicIP":"192.0.2.12","BackendType":"host-gw"}""",
        4 => LabSteps.LeaseValue("192.0.2.13", "01:00:5e:00:00:01"), // multicast
        5 => LabSteps.LeaseValue("192.0.2.1", "02:00:00:00:01:17"), // this node's own PublicIP
        _ => LabSteps.LeaseValue("224.0.0.1", "02:00:00:00:01:18"),
    };

    private static Task<string> PutAsync(NetworkLab lab, string subnet, string value) =>
        lab.Etcd.CtlAsync(["put", LabSteps.KeyName(subnet)], value, Cancel);

    /// <summary>A lab with a node that has the same address, subnet.env and keys, and no past.</summary>
    private async Task<NetworkLab> FreshAsync(NetworkLab lab)
    {
        var (aged, fresh) = (lab.Node(1), await UpAsync(OneNode));
        // The aged node's own affairs are settled first: it may still be about to move.
        await aged.WaitAgentAsync("a settled subnet", () => IsSettledAsync(lab), cancel: Cancel);
        File.Copy(aged.SubnetFile, fresh.Node(1).SubnetFile);
        foreach (var (key, value) in await KeysAsync(lab))
            await fresh.Etcd.CtlAsync(["put", key], value, Cancel);
        await fresh.StartAllWithoutPodsAsync(Cancel);
        return fresh;
    }

    private static async Task<bool> IsSettledAsync(NetworkLab lab)
    {
        var node = lab.Node(1);
        var subnet = (string?)(await AgentSocket.StatusAsync(node))["subnet"] ?? "";
        var held = (await lab.Etcd.ListAsync(cancel: Cancel))
            .Any(k => k.Key == LabSteps.KeyName(subnet) && k.Value.Contains($"\"{node.Address}\"", StringComparison.Ordinal));
        return held && node.Subnet().Subnet.ToString() == subnet;
    }

    private static async Task<(string Kernel, string Rules)> StateAsync(NetworkLab lab) =>
        (await Overlay.OfKernelAsync(lab.Node(1)), await Overlay.RulesAsync(lab.Node(1)));

    private static async Task<IReadOnlyList<(string, string)>> KeysAsync(NetworkLab lab) =>
        [.. (await lab.Etcd.ListAsync(cancel: Cancel)).Select(k => (k.Key, k.Value))];
}
