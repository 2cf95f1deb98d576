using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Faults;

/// <summary>One of three members fails, in each way there is, and comes back: the nodes go on with the others, and say at most that there was an election.</summary>
public sealed class MemberTests(ITestOutputHelper output) : LabTest(output)
{
    [Theory]
    [InlineData("3.4")]
    [InlineData("3.5")]
    public async Task Leader_Killed_TheOthersServe(string version)
    {
        await using var scene = await BeginAsync(version);
        var leader = await scene.Etcd.LeaderAsync(Cancel);
        scene.Mark();
        await leader.StopAsync("KILL");
        await scene.PutStrangerAsync();
        await scene.RecoverAsync($"leader-killed-{version}");
        await leader.StartAsync(Cancel);
        await scene.PutStrangerAsync();
        await scene.FollowAsync();
        await scene.EndAsync();
        scene.AssertToldOfAnElectionAtMost();
    }

    [Fact]
    public async Task Member_KilledUnderItsNodes_TheyMoveToAnother()
    {
        await using var scene = await BeginAsync("3.4");
        var member = await scene.MemberOfAsync(scene.Node);
        scene.Mark();
        await member.StopAsync("KILL");
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("member-killed");
        Assert.NotEqual(member, await scene.MemberOfAsync(scene.Node));
        await scene.EndAsync();
        scene.AssertToldOfAnElectionAtMost();
    }

    [Theory]
    [InlineData("3.4")]
    [InlineData("3.5")]
    public async Task Member_PausedUnderItsNodes_TheyMoveToAnother(string version)
    {
        await using var scene = await BeginAsync(version);
        var member = await scene.MemberOfAsync(scene.Node);
        scene.Mark();
        await member.PauseAsync();
        await scene.PutStrangerAsync();
        await scene.RecoverAsync($"member-paused-{version}");
        Assert.NotEqual(member, await scene.MemberOfAsync(scene.Node));
        await member.ResumeAsync();
        await scene.EndAsync();
        scene.AssertToldOfAnElectionAtMost();
    }

    [Fact]
    public async Task Member_CutOffFromTheOthers_ItsNodesMoveToAnother()
    {
        await using var scene = await BeginAsync("3.4");
        var member = await scene.MemberOfAsync(scene.Node);
        scene.Mark();
        await member.CutAsync(scene.Etcd.Members.Where(m => m != member).Select(m => m.Address));
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("member-in-minority");
        Assert.NotEqual(member, await scene.MemberOfAsync(scene.Node));
        await member.MendAsync();
        await scene.EndAsync();
        scene.AssertToldOfAnElectionAtMost();
    }

    [Fact]
    public async Task Member_StandingStillMostOfTheTime_ChangesArriveAllTheSame()
    {
        await using var scene = await BeginAsync("3.4");
        var member = await scene.MemberOfAsync(scene.Node);
        member.Stutter(TimeSpan.FromSeconds(1));
        await scene.LastAsync(TimeSpan.FromSeconds(5));
        scene.Mark();
        await scene.PutStrangerAsync();
        await scene.RecoverAsync("member-slow");
        await member.HurryAsync();
        await scene.EndAsync();
        scene.AssertTold(scene.Lab.Nodes);
    }

    private async Task<FaultScene> BeginAsync(string version) =>
        await FaultScene.BeginAsync(await UpAsync(new LabSpec { Datapath = LabSpec.BpfDatapath, Etcd = new EtcdSpec { Members = 3, Version = version } }), Output);
}
