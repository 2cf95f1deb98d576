using System.Diagnostics;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Nodes join, leave, expire and lose their subnet: the others follow, and whoever stays keeps talking.</summary>
public sealed class MembershipTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task Nodes_JoinOneByOne_EveryoneReachesEveryone()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 5 });
        for (var count = 1; count <= lab.Nodes.Count; count++)
        {
            await JoinAsync(lab.Node(count));
            var keys = await lab.Etcd.ListAsync(cancel: Cancel);

            Assert.Equal(count, keys.Count);
            await Overlay.WaitAllAsync(lab.Nodes.Take(count), keys);
            await Overlay.PingAsync(Enumerable.Range(1, count - 1).Select(earlier => (lab.Pod(earlier, 1), lab.Pod(count, 1))));
        }
    }

    [Fact]
    public async Task Nodes_LeaseDeletedOrRevoked_AreWithdrawnAndComeBackWithTheirSubnet()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 4 });
        await lab.StartAllAsync(cancel: Cancel);
        var before = await lab.Etcd.ListAsync(cancel: Cancel);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(cancel: Cancel);
        Assert.Equal(0, await lab.Node(3).StopAgentAsync());
        Assert.Equal(0, await lab.Node(4).StopAgentAsync());
        LabNode[] staying = [lab.Node(1), lab.Node(2)];

        await lab.Etcd.CtlAsync("del", before.KeyOf(lab.Node(3)).Key);
        await Overlay.WaitAllAsync(staying, [.. before.Except([before.KeyOf(lab.Node(3))])]);
        await lab.Etcd.CtlAsync("lease", "revoke", $"{before.KeyOf(lab.Node(4)).LeaseId:x}");
        await Overlay.WaitAllAsync(staying, [before.KeyOf(lab.Node(1)), before.KeyOf(lab.Node(2))]);
        lab.Node(3).StartAgent();
        lab.Node(4).StartAgent();

        // They find their subnets in subnet.env, so the containers they have go on with the addresses they have.
        await Overlay.WaitAllAsync(lab.Nodes, before);
        await Overlay.PingAsync([(lab.Pod(3, 1), lab.Pod(4, 1)), (lab.Pod(1, 1), lab.Pod(3, 1)), (lab.Pod(2, 1), lab.Pod(4, 1))]);
        Assert.Equal(before.Select(k => (k.Key, k.Value)), (await lab.Etcd.ListAsync(cancel: Cancel)).Select(k => (k.Key, k.Value)));
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    // The kernel tells of what the agent itself has just done: an agent that looks again for that does everything twice.
    [Theory]
    [InlineData("kernel")]
    [InlineData("auto")]
    public async Task Peer_ThatComes_CostsOnePass(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = datapath, AgentFlags = ["--reconcile-interval=1h"] });
        await lab.StartAllAsync(cancel: Cancel);
        var (node, key) = (lab.Node(1), LabSteps.KeyName("10.5.200.0/24"));
        var before = await CalmAsync();

        await lab.Etcd.CtlAsync("put", key, LabSteps.LeaseValue("192.0.2.200", "02:00:00:00:02:00"));

        await Wait.UntilAsync("the route", async () => (await node.RunAsync("ip", "route", "show", "10.5.200.0/24")).Length > 0, explain: node.LogTail, cancel: Cancel);
        Assert.Equal(before + 1, await CalmAsync());

        // What is written down of the peers waits for five seconds, and wakes the loop.
        async Task<long> CalmAsync()
        {
            for (; ; )
            {
                var passes = await PassesAsync();
                await Task.Delay(TimeSpan.FromSeconds(6), Cancel);
                if (passes == await PassesAsync())
                    return passes;
            }
        }

        async Task<long> PassesAsync() => (long)(await AgentSocket.StatusAsync(node))["reconcile"]!["passes"]!;
    }

    [Fact]
    public async Task Node_KilledForLongerThanTheTtl_ExpiresWhileTheOthersStay()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, PodsPerNode = 0, AgentFlags = ["--subnet-lease-ttl=30s"] });
        await lab.StartAllAsync(cancel: Cancel);
        var before = await lab.Etcd.ListAsync(cancel: Cancel);
        var survivor = before.KeyOf(lab.Node(1));
        await lab.Node(2).KillAgentAsync();
        var watch = Stopwatch.StartNew();

        await Overlay.WaitAsync(lab.Node(1), Overlay.Of(lab.Node(1), [survivor]), TimeSpan.FromSeconds(40));

        Output.WriteLine($"withdrawn {watch.Elapsed.TotalSeconds:0.0} s after kill -9, TTL 30 s");
        // Kept alive all the time, and without a write that the others would see.
        Assert.Equal([survivor], await lab.Etcd.ListAsync(cancel: Cancel));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RunningAgent_OwnLeaseTakenAway_TakesTheSubnetAgain(bool revoked)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2 });
        await lab.StartAllAsync(cancel: Cancel);
        var before = await lab.Etcd.ListAsync(cancel: Cancel);
        var own = before.KeyOf(lab.Node(1));

        if (revoked)
            await lab.Etcd.CtlAsync("lease", "revoke", $"{own.LeaseId:x}");
        else
            await lab.Etcd.CtlAsync("del", own.Key);

        await lab.Node(1).WaitAgentAsync("the key's return", async () => (await lab.Etcd.ListAsync(cancel: Cancel)).Count == 2, cancel: Cancel);
        var after = await lab.Etcd.ListAsync(cancel: Cancel);
        Assert.Equal((own.Key, own.Value), (after.KeyOf(lab.Node(1)).Key, after.KeyOf(lab.Node(1)).Value));
        Assert.NotEqual(0, after.KeyOf(lab.Node(1)).LeaseId);
        await Overlay.WaitAllAsync(lab.Nodes, after);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
    }

    [Fact]
    public async Task RunningAgent_SubnetGivenToAnotherNode_MovesAndSaysSo()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, PodsPerNode = 0 });
        await lab.StartAllAsync(cancel: Cancel);
        var own = (await lab.Etcd.ListAsync(cancel: Cancel)).KeyOf(lab.Node(1));
        var stranger = LabSteps.LeaseValue("192.0.2.77", "02:00:00:00:00:77");

        await lab.Etcd.CtlAsync("put", own.Key, stranger);

        await lab.Node(1).WaitAgentAsync("another subnet", async () => (await lab.Etcd.ListAsync(cancel: Cancel)).Count == 3, cancel: Cancel);
        var after = await lab.Etcd.ListAsync(cancel: Cancel);
        await Overlay.WaitAllAsync(lab.Nodes, after);
        var moved = after.KeyOf(lab.Node(1)).Key;
        Assert.NotEqual(own.Key, moved);
        Assert.Equal(stranger, after.Single(k => k.Key == own.Key).Value);
        Assert.Equal(LabSteps.KeyName($"{lab.Node(1).Subnet().Subnet}"), moved);
        Assert.Contains("is taken by another node", LogFiles.Read(lab.Node(1).LogFile), StringComparison.Ordinal);
    }

    private static async Task JoinAsync(LabNode node)
    {
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await node.AttachPodsAsync(Cancel);
    }
}
