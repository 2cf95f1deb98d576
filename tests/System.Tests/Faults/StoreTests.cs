using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Faults;

/// <summary>The whole of etcd goes and comes back, with what it knew, with less, or with nothing: no node loses its subnet and no packet is lost.</summary>
public sealed class StoreTests(ITestOutputHelper output) : LabTest(output)
{
    // 2 s is what docs/reliability.md promises; this machine may be busy.
    private static readonly TimeSpan Back = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Members_AllKilledAndStartedAgain_OneLineEachWay()
    {
        await using var scene = await BeginAsync("3.4");
        await scene.Etcd.StopAsync("KILL");
        await AwayAsync(scene, TimeSpan.FromSeconds(5));
        await scene.Etcd.StartAsync(Cancel);
        scene.Mark();
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("all-members-killed", Back);
        await scene.EndAsync();
        scene.AssertTold(scene.Lab.Nodes, "trying again until it answers", "etcd answers at http://");
    }

    [Theory]
    [InlineData("3.4")]
    [InlineData("3.5")]
    public async Task Store_Wiped_EveryNodeTakesItsSubnetAgain(string version)
    {
        await using var scene = await BeginAsync(version);
        // A history that the new store does not reach by itself.
        for (var i = 0; i < 20; i++)
            await scene.Etcd.CtlAsync("put", "/other", $"{i}");
        await scene.Etcd.StopAsync("KILL");
        await AwayAsync(scene, TimeSpan.FromSeconds(1));
        foreach (var member in scene.Etcd.Members)
            member.Wipe();
        await scene.Etcd.StartAsync(Cancel);
        scene.Mark();
        await scene.WaitKeysAsync();
        await scene.RecoverAsync($"wiped-{version}", Back);
        await scene.AssertUntouchedAsync();
        foreach (var node in scene.Lab.Nodes)
            await AgentSocket.WaitAsync(node, "the missing config", s => AgentSocket.Problems(s).Contains("config-not-followed") && !AgentSocket.Problems(s).Contains("etcd-rewound"));
        await scene.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);
        foreach (var node in scene.Lab.Nodes)
            await AgentSocket.WaitAsync(node, "no problem", s => !AgentSocket.Problems(s).Any());
        await scene.PutStrangerAsync();
        await scene.FollowAsync();
        await scene.EndAsync(sameRevisions: false);
    }

    // The node behind it writes no more: flannel would next do so in 23 hours.
    [Fact]
    public async Task Store_Wiped_ANodeThatDoesNotWriteAgainIsKept()
    {
        await using var scene = await BeginAsync("3.4");
        var stranger = await scene.PutStrangerAsync();
        await scene.FollowAsync();
        var kernel = await Overlay.OfKernelAsync(scene.Node);
        await scene.Etcd.StopAsync("KILL");
        await AwayAsync(scene, TimeSpan.FromSeconds(1), untouched: false);
        foreach (var member in scene.Etcd.Members)
            member.Wipe();
        await scene.Etcd.StartAsync(Cancel);
        scene.Mark();
        await scene.WaitKeysAsync();
        await AgentSocket.WaitAsync(scene.Node, "what is kept", s => AgentSocket.Problems(s).Contains("etcd-rewound"));
        await scene.LastAsync(TimeSpan.FromSeconds(3));
        Assert.Equal(kernel, await Overlay.OfKernelAsync(scene.Node));

        // It writes at last, and goes: that is followed like any other.
        await scene.Etcd.CtlAsync("put", stranger, LabSteps.LeaseValue("192.0.2.71", "02:00:00:00:00:71"));
        await AgentSocket.WaitAsync(scene.Node, "nothing kept", s => !AgentSocket.Problems(s).Contains("etcd-rewound"));
        Assert.Equal(kernel, await Overlay.OfKernelAsync(scene.Node));
        await scene.EndAsync(sameRevisions: false);
    }

    [Theory]
    [InlineData("3.4")]
    [InlineData("3.5")]
    public async Task Store_RestoredFromAnOlderBackup_WhatCameLaterIsWrittenAgain(string version)
    {
        var lab = await UpAsync(Spec(version));
        // The backup is older than the nodes.
        var backup = await lab.Etcd.SaveSnapshotAsync();
        await using var scene = await FaultScene.BeginAsync(lab, Output);
        await scene.Etcd.StopAsync("KILL");
        await AwayAsync(scene, TimeSpan.FromSeconds(1));
        foreach (var member in scene.Etcd.Members)
            await member.RestoreAsync(backup);
        await scene.Etcd.StartAsync(Cancel);
        scene.Mark();
        await scene.WaitKeysAsync();
        await scene.RecoverAsync($"restored-{version}", Back);
        await scene.AssertUntouchedAsync();
        await scene.PutStrangerAsync();
        await scene.FollowAsync();
        await scene.EndAsync(sameRevisions: false);
    }

    private static LabSpec Spec(string version) => new() { Datapath = LabSpec.BpfDatapath, Etcd = new EtcdSpec { Members = 3, Version = version } };

    private static async Task AwayAsync(FaultScene scene, TimeSpan time, bool untouched = true)
    {
        foreach (var node in scene.Lab.Nodes)
            await FaultScene.WaitAwayAsync(node);
        await scene.LastAsync(time);
        if (untouched)
            await scene.AssertUntouchedAsync();
    }

    private async Task<FaultScene> BeginAsync(string version) => await FaultScene.BeginAsync(await UpAsync(Spec(version)), Output);
}
