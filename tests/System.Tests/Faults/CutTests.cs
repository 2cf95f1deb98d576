using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Faults;

/// <summary>The network between a node and etcd swallows everything: no reset, no answer. The other node and etcd go on.</summary>
public sealed class CutTests(ITestOutputHelper output) : LabTest(output)
{
    // 2 s is what docs/reliability.md promises; this machine may be busy.
    private static readonly TimeSpan Back = TimeSpan.FromSeconds(10);

    [Fact]
    public Task Node_CutOffForSeconds_CatchesUp() => CutAsync("cut-seconds", TimeSpan.FromSeconds(15));

    [Fact]
    [Trait("Speed", "slow")]
    public Task Node_CutOffForMinutes_CatchesUp() => CutAsync("cut-minutes", TimeSpan.FromMinutes(3));

    // The connection is not given up yet when the network is back; what was sent meanwhile waits for TCP to send it again.
    [Fact]
    public async Task Node_CutOffForAMoment_CatchesUp()
    {
        await using var scene = await BeginAsync();
        foreach (var member in scene.Etcd.Members)
            await member.CutAsync(scene.Node.Address);
        await scene.PutStrangerAsync();
        await scene.LastAsync(TimeSpan.FromSeconds(2));
        await MendAsync(scene);
        await scene.RecoverAsync("cut-moment", Back);
        await scene.EndAsync();
    }

    [Theory]
    [InlineData("3.4")]
    [InlineData("3.5")]
    public async Task Node_CutOffWhileItsRevisionIsCompacted_CatchesUp(string version)
    {
        await using var scene = await BeginAsync(version);
        var leaving = await scene.PutStrangerAsync();
        await scene.FollowAsync();
        foreach (var member in scene.Etcd.Members)
            await member.CutAsync(scene.Node.Address);
        await FaultScene.WaitAwayAsync(scene.Node);

        // One goes, one comes, and its own lease is deleted; nothing of it can be read later.
        await scene.DeleteStrangerAsync(leaving);
        await scene.PutStrangerAsync();
        var own = scene.Keys.KeyOf(scene.Node);
        await scene.Etcd.CtlAsync("del", own.Key);
        var revision = (await scene.Etcd.ListAsync(cancel: Cancel)).Max(k => k.ModRevision) + 1;
        await scene.Etcd.CtlAsync("compact", $"{revision}");
        // The other node was told that this one left, and has no route to it any more: packets are lost until it is back.
        await scene.Lab.Node(2).WaitAgentAsync(
            "no way to node 1",
            async () => !(await Overlay.OfKernelAsync(scene.Lab.Node(2))).Contains($" {scene.Node.Address} self", StringComparison.Ordinal), cancel: Cancel);
        await MendAsync(scene);
        await scene.WaitKeysAsync();
        await scene.RecoverAsync($"compacted-{version}", Back);
        var now = (await scene.Etcd.ListAsync(cancel: Cancel)).KeyOf(scene.Node);
        Assert.Equal((own.Key, own.Value), (now.Key, now.Value));
        await scene.EndAsync(sameRevisions: false, lossless: false);
    }

    private async Task CutAsync(string scenario, TimeSpan time)
    {
        await using var scene = await BeginAsync();
        foreach (var member in scene.Etcd.Members)
            await member.CutAsync(scene.Node.Address);
        await FaultScene.WaitAwayAsync(scene.Node);
        await scene.LastAsync(time);
        await scene.AssertUntouchedAsync();
        await scene.PutStrangerAsync();
        await MendAsync(scene);
        await scene.RecoverAsync(scenario, Back);
        await scene.EndAsync();
        scene.AssertTold([scene.Node], "trying again until it answers", "etcd answers at http://");
        scene.AssertTold([scene.Lab.Node(2)]);
    }

    private static async Task MendAsync(FaultScene scene)
    {
        foreach (var member in scene.Etcd.Members)
            await member.MendAsync();
        scene.Mark();
    }

    private async Task<FaultScene> BeginAsync(string version = "3.4") =>
        await FaultScene.BeginAsync(await UpAsync(new LabSpec { Datapath = LabSpec.BpfDatapath, Etcd = new EtcdSpec { Members = 3, Version = version } }), Output);
}
