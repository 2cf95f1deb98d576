using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Two agents on each host, each with a network of its own: both carry, and what becomes of one is nothing to the other.</summary>
public sealed class SeveralNetworksTests(ITestOutputHelper output) : LabTest(output)
{
    private const string First = "flannel.1";
    private const string FirstTable = "accelerated-default";
    private const int Some = 50;

    [Theory]
    [InlineData("kernel")]
    [InlineData("bpf")]
    public async Task TwoNetworks_OneStopsIsCleanedUpAndComesBack_TheOtherNeverNotices(string datapath)
    {
        var (lab, others) = await UpBothAsync(datapath);
        var node = lab.Node(1);
        await using var first = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await first.WaitAnswersAsync(Some, cancel: Cancel);
        var before = await SecondNetwork.StateAsync(node, First, FirstTable);

        await others[0].KillAsync();
        await others[0].StartAsync();
        await others[0].StopAsync();
        await first.WaitAnswersAsync(Some, cancel: Cancel);
        // Stopping leaves everything in place.
        await AssertTalksAsync(others);
        var said = await others[0].CleanupAsync();

        Assert.DoesNotContain($"removed: the device {First}", said, StringComparison.Ordinal);
        Assert.Equal("", (await node.ExecAsync("ip", "-o", "link", "show", SecondNetwork.Device)).Stdout);
        Assert.DoesNotContain(SecondNetwork.Table, await node.RunAsync("nft", "list", "tables"), StringComparison.Ordinal);
        Assert.False(File.Exists(others[0].SubnetFile) || Directory.Exists(others[0].Pins));
        Assert.True((await others[0].Pod.PingAsync(others[1].Address, cancel: Cancel)).Received == 0, "the second network was not taken away");
        Assert.Equal(before, await SecondNetwork.StateAsync(node, First, FirstTable));
        await first.WaitAnswersAsync(Some, cancel: Cancel);

        await others[0].StartAsync();

        await Wait.UntilAsync("the second network", async () => (await others[0].Pod.PingAsync(others[1].Address, cancel: Cancel)).Lost == 0, explain: node.LogTail, cancel: Cancel);
        Assert.Equal(before, await SecondNetwork.StateAsync(node, First, FirstTable));
        await first.WaitAnswersAsync(Some, cancel: Cancel);
        var result = await first.StopAsync();
        Assert.True(result.Lost == 0, $"{result}");
    }

    [Theory]
    [InlineData("kernel")]
    [InlineData("bpf")]
    public async Task TwoNetworks_TheFirstIsCleanedUp_TheSecondNeverNotices(string datapath)
    {
        var (lab, others) = await UpBothAsync(datapath);
        var node = lab.Node(1);
        await using var second = others[0].Pod.StartPing(others[1].Address);
        await second.WaitAnswersAsync(Some, cancel: Cancel);
        var before = await SecondNetwork.StateAsync(node, SecondNetwork.Device, SecondNetwork.Table);

        await node.StopAgentAsync();
        (await node.CleanupAsync()).OrThrow();

        Assert.Equal("", (await node.ExecAsync("ip", "-o", "link", "show", First)).Stdout);
        Assert.DoesNotContain(FirstTable, await node.RunAsync("nft", "list", "tables"), StringComparison.Ordinal);
        Assert.False(File.Exists(node.SubnetFile));
        Assert.Equal(before, await SecondNetwork.StateAsync(node, SecondNetwork.Device, SecondNetwork.Table));
        if (datapath == "bpf")
        {
            // Cleanup has set it back to what it was before either came, and the second now needs it.
            await Wait.UntilAsync(
                "nf_conntrack_tcp_be_liberal", async () => await node.RunAsync("sh", "-c", "cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal") == "1\n", cancel: Cancel);
        }

        await second.WaitAnswersAsync(Some, cancel: Cancel);
        var result = await second.StopAsync();
        Assert.True(result.Lost == 0, $"{result}");
    }

    /// <summary>Two hosts with two networks each, all containers attached and talking.</summary>
    private async Task<(NetworkLab Lab, SecondNetwork[] Others)> UpBothAsync(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, PodsPerNode = 2, Datapath = datapath });
        await lab.StartAllAsync(cancel: Cancel);
        await lab.Etcd.CtlAsync(["put", $"{SecondNetwork.Prefix}/config"], SecondNetwork.Config, Cancel);
        SecondNetwork[] others = [.. lab.Nodes.Select(n => new SecondNetwork(n, datapath))];
        foreach (var other in others)
        {
            await other.StartAsync();
            await other.AttachAsync();
        }

        foreach (var other in others)
            await other.WaitAsync("its peer", s => s["peers"]!.AsArray().Count == 1);
        Assert.Equal(2, (await lab.Etcd.ListAsync(cancel: Cancel)).Count);
        Assert.Equal(2, (await lab.Etcd.ListAsync($"{SecondNetwork.Prefix}/subnets", Cancel)).Count);
        if (datapath == "bpf")
        {
            foreach (var node in lab.Nodes)
                await AgentSocket.WaitAsync(node, "the lanes", IsOnLanes);
            foreach (var other in others)
                await other.WaitAsync("the lanes", IsOnLanes);
        }

        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        await AssertTalksAsync(others);
        if (datapath == "bpf")
        {
            foreach (var other in others)
                await other.WaitAsync("packets in its lanes", s => Lane(s, "1 out") > 0);
        }

        foreach (var node in lab.Nodes)
            await AgentSocket.WaitAsync(node, "health", s => (string?)s["health"] == "ok");
        return (lab, others);
    }

    private static async Task AssertTalksAsync(SecondNetwork[] others)
    {
        var result = await others[0].Pod.PingAsync(others[1].Address, cancel: Cancel);
        Assert.True(result.Lost == 0, $"{result}");
    }

    /// <summary>All of them: the other agent's rules and programs are no stranger's.</summary>
    private static bool IsOnLanes(JsonObject status) => (string?)status["datapath"] == "bpf" && status["lanes"]!.AsArray().All(l => l!["off"] is null);

    private static long Lane(JsonObject status, string lane) => (long)status["lanes"]!.AsArray().Single(l => (string?)l!["lane"] == lane)!["taken"]!;
}
