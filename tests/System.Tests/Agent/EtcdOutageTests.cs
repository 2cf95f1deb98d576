using System.Diagnostics;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>With etcd away, packets flow on, the agent says so once, and what changes meanwhile arrives when etcd is back.</summary>
public sealed class EtcdOutageTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly string Stranger = LabSteps.LeaseValue("192.0.2.77", "02:00:00:00:00:77");
    private static readonly string StrangerKey = LabSteps.KeyName("10.5.255.0/24");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Etcd_GoneAndBack_DataPlaneStaysAndChangesArrive(bool hangs)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2 });
        await lab.StartAllAsync(cancel: Cancel);
        var (node, keys) = (lab.Node(1), await lab.Etcd.ListAsync(cancel: Cancel));
        var before = await Overlay.OfKernelAsync(node);
        var told = Warnings(node).Count;
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(cancel: Cancel);
        var watch = Stopwatch.StartNew();

        await (hangs ? lab.Etcd.PauseAsync() : lab.Etcd.StopAsync("KILL"));
        var status = await AgentSocket.WaitAsync(node, "etcd's absence", s => !(bool)s["etcd"]!["connected"]!);
        Output.WriteLine($"measured: noticed {watch.Elapsed.TotalSeconds:0.0} s after etcd {(hangs ? "hung" : "died")}");
        Assert.Contains("etcd-unreachable", AgentSocket.Problems(status));
        Assert.Equal("warning", (string?)status["health"]);
        Assert.Contains("etcd", (string?)status["summary"], StringComparison.Ordinal);
        // Many attempts later it is still one line.
        await ping.WaitAnswersAsync(300, cancel: Cancel);
        Assert.Equal(told + 1, Warnings(node).Count);
        Assert.Contains("--etcd-endpoints", Warnings(node)[^1], StringComparison.Ordinal);
        Assert.Equal(before, await Overlay.OfKernelAsync(node));

        await (hangs ? lab.Etcd.ResumeAsync() : lab.Etcd.StartAsync(Cancel));
        await AgentSocket.WaitAsync(
            node, "etcd's return", s => (bool)s["etcd"]!["connected"]! && !AgentSocket.Problems(s).Contains("etcd-unreachable"));
        Assert.Equal(keys, await lab.Etcd.ListAsync(cancel: Cancel));
        await lab.Etcd.CtlAsync("put", StrangerKey, Stranger);
        await Overlay.WaitAllAsync(lab.Nodes, await lab.Etcd.ListAsync(cancel: Cancel));
        await lab.Etcd.CtlAsync("del", StrangerKey);
        await Overlay.WaitAllAsync(lab.Nodes, keys);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
        Assert.Equal(told + 1, Warnings(node).Count);
    }

    [Fact]
    public async Task Agent_CutOffWhileKeysChangeAndAreCompacted_CatchesUp()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, PodsPerNode = 0 });
        await lab.StartAllAsync(cancel: Cancel);
        await lab.Etcd.CtlAsync("put", StrangerKey, Stranger);
        await Overlay.WaitAllAsync(lab.Nodes, await lab.Etcd.ListAsync(cancel: Cancel));
        var node = lab.Node(1);
        // Everything between this node and etcd is dropped without a word, as a broken switch would.
        await lab.Etcd.RunAsync("nft", $$"""
            add table ip cut
            add chain ip cut c { type filter hook input priority 0; }
            add rule ip cut c ip saddr {{node.Address}} drop
            """);
        await AgentSocket.WaitAsync(node, "etcd's absence", s => !(bool)s["etcd"]!["connected"]!);

        await lab.Etcd.CtlAsync("del", StrangerKey);
        await lab.Etcd.CtlAsync("put", StrangerKey.Replace("255", "254"), Stranger.Replace("77", "78"));
        var revision = (await lab.Etcd.ListAsync(cancel: Cancel)).Max(k => k.ModRevision);
        await lab.Etcd.CtlAsync("compact", $"{revision}");
        await lab.Etcd.RunAsync("nft", "delete table ip cut");

        await Overlay.WaitAllAsync(lab.Nodes, await lab.Etcd.ListAsync(cancel: Cancel));
    }

    [Fact]
    public async Task Agent_StartsWhileEtcdIsAway_GoesOnProvisionallyAndIsConfirmedLater()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2 });
        await lab.StartAllAsync(cancel: Cancel);
        var (node, keys) = (lab.Node(1), await lab.Etcd.ListAsync(cancel: Cancel));
        var state = $"{node.RunDirectory}/state/default.state";
        await node.WaitFileAsync(state);
        await node.WaitAgentAsync("the peer in it", async () => (await File.ReadAllTextAsync(state, Cancel)).Contains("192.0.2.2"), cancel: Cancel);
        await node.KillAgentAsync();
        await lab.Etcd.StopAsync("KILL");
        // As after a reboot: nothing in the kernel, nothing in /run.
        await node.RunAsync("sh", "-ec", "ip link del flannel.1; nft delete table inet accelerated-default");
        File.Delete(node.SubnetFile);

        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);

        Assert.True((bool)(await AgentSocket.StatusAsync(node))["provisional"]!);
        await Overlay.WaitAsync(node, Overlay.Of(node, keys));
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        await lab.Etcd.StartAsync(Cancel);
        await AgentSocket.WaitAsync(node, "confirmation", s => !(bool)s["provisional"]!);
        Assert.Equal(keys, await lab.Etcd.ListAsync(cancel: Cancel));
        await Overlay.WaitAllAsync(lab.Nodes, keys);
    }

    private static List<string> Warnings(LabNode node) =>
        [.. LogFiles.Read(node.LogFile).Split('\n').Where(l => l.Contains(" warn ") || l.Contains(" error "))];
}
