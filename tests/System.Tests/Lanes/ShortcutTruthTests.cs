using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>A rule that says no is obeyed although the shortcut carries the flow past it, and rules that say yes do not keep it closed.</summary>
public sealed class ShortcutTruthTests(ShortcutLab shared, ITestOutputHelper output) : SharedLabTest(shared, output), IClassFixture<ShortcutLab>
{
    private LabPod Local => Lab.Pod(1, 1);

    private LabPod Remote => Lab.Pod(2, 1);

    [Theory]
    [InlineData("udp")]
    [InlineData("tcp")]
    public async Task Flow_NoRuleInTheWay_IsCarriedByTheShortcutOnBothNodes(string protocol)
    {
        await using var talk = await Talk.StartAsync(protocol, Local, Remote);

        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
    }

    [Theory]
    [InlineData("udp")]
    [InlineData("tcp")]
    public async Task Flow_PolicyDropWithEstablishedAccepted_UsesTheShortcutAndOthersStayOut(string protocol)
    {
        var chain = $"chain forward {{ type filter hook forward priority filter + 10; policy drop; counter; ct state established,related accept; ip saddr {Local.Address} {protocol} dport 7000 accept; }}";
        await using var here = await RuleTool.NftAsync(Lab.Node(1), chain);
        await using var there = await RuleTool.NftAsync(Lab.Node(2), chain);

        await using var talk = await Talk.StartAsync(protocol, Local, Remote);
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
        // From the other side nobody may begin.
        await using var other = await Talk.StartAsync("udp", Remote, Local, port: 7001);
        await Wait.UntilAsync("fifty questions", () => other.Asked >= 50, cancel: Cancel);

        Assert.Equal(0, other.Heard);
        var carried = await LaneMeter.DuringAsync(Lab.Node(1), talk);
        Output.WriteLine($"measured: {carried} on {Lab.Node(1).Namespace} during 20 answers");
        Assert.InRange(carried.Out, 18, long.MaxValue);
    }

    [Fact]
    public async Task Replies_DroppedBeforeEstablishedIsAccepted_NeverArrive()
    {
        await using var rule = await RuleTool.NftAsync(
            Lab.Node(1),
            $"chain forward {{ type filter hook forward priority filter - 10; ip saddr {Remote.Address} udp sport 7000 counter drop; ct state established accept; }}");
        var before = await LaneMeter.ReadAsync(Lab.Node(1));
        await using var talk = await Talk.StartAsync("udp", Local, Remote);

        // Long enough for conntrack to call the flow established and assured: it is, on both nodes.
        var (here, there) = (before, await LaneMeter.ReadAsync(Lab.Node(2)));
        await Wait.UntilAsync(
            "the questions on the shortcut of the other node, and its answers",
            async () => await LaneMeter.ReadAsync(Lab.Node(2)) is var now && now.Out - there.Out > 100 && now.In - there.In > 100,
            explain: talk.Describe, cancel: Cancel);

        Assert.Equal(0, talk.Answered);
        Assert.Equal(here.In, (await LaneMeter.ReadAsync(Lab.Node(1))).In);
        Assert.InRange(await rule.PacketsAsync(), 100, long.MaxValue);
    }

    [Theory]
    [InlineData(RuleTool.Nft, "udp")]
    [InlineData(RuleTool.Nft, "tcp")]
    [InlineData(RuleTool.IptablesNft, "udp")]
    public async Task Drop_InsertedIntoALiveFlow_StopsItAndRemovedLetsItGoOn(string tool, string protocol)
    {
        await using var talk = await Talk.StartAsync(protocol, Local, Remote);
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);

        await using var rule = await RuleTool.DropAsync(Lab.Node(1), tool, $"{Local.Address}", $"{Remote.Address}");
        await talk.WaitSilenceAsync();

        Assert.InRange(await rule.PacketsAsync(), 1, long.MaxValue);
        await rule.RemoveAsync();
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
    }

    [Fact]
    public async Task Drop_OfRepliesInsertedOnTheReceivingNode_StopsTheFlow()
    {
        await using var talk = await Talk.StartAsync("udp", Local, Remote);
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);

        await using var rule = await RuleTool.DropAsync(Lab.Node(2), RuleTool.Nft, $"{Remote.Address}", $"{Local.Address}");
        await talk.WaitSilenceAsync();

        var heard = talk.Heard;
        await Wait.UntilAsync("questions that still arrive", () => talk.Heard > heard + 20, cancel: Cancel);
        Assert.InRange(await rule.PacketsAsync(), 1, long.MaxValue);
    }
}
