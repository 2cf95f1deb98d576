using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>
/// Flows whose addresses are changed. Where that happens no packet may take the shortcut: on the wire a translated reply looks like any
/// other packet of the container. Where it does not happen they may.
/// </summary>
public sealed class ShortcutTranslationTests(ShortcutLab shared, ITestOutputHelper output) : SharedLabTest(shared, output), IClassFixture<ShortcutLab>
{
    private const string Service = "203.0.113.9";

    private LabPod Local => Lab.Pod(1, 1);

    private LabPod Remote => Lab.Pod(2, 1);

    [Theory]
    [InlineData(RuleTool.Nft, "udp")]
    [InlineData(RuleTool.Nft, "tcp")]
    [InlineData(RuleTool.IptablesNft, "tcp")]
    [InlineData(RuleTool.IptablesLegacy, "tcp")]
    public async Task Service_TranslatedToARemoteContainer_WorksBothWays(string tool, string protocol)
    {
        await using var rule = await RuleTool.TranslateAsync(Lab.Node(1), tool, protocol, Service, 80, $"{Remote.Address}", 7000);
        var (here, there) = (await LaneMeter.ReadAsync(Lab.Node(1)), await LaneMeter.ReadAsync(Lab.Node(2)));
        var translated = await LaneMeter.PassedAsync(Lab.Node(1), "translated");
        await using var talk = await Talk.StartAsync(protocol, Local, Remote, IPAddress.Parse(Service), targetPort: 80);

        // The other node sees plain addresses and takes it up.
        await LaneMeter.WaitCarriedAsync(talk, Lab.Node(2));

        Assert.Equal(here, await LaneMeter.ReadAsync(Lab.Node(1)));
        Assert.InRange(await LaneMeter.PassedAsync(Lab.Node(1), "translated") - translated, 20, long.MaxValue);
        Output.WriteLine($"measured: {talk.Describe()}; on the other node {there} before, {await LaneMeter.ReadAsync(Lab.Node(2))} after");
        Assert.InRange(await rule.PacketsAsync(), 1, long.MaxValue);
    }

    [Theory]
    [InlineData("udp")]
    [InlineData("tcp")]
    public async Task PublishedPort_OnTheNodesOverlayAddress_RepliesAreTranslatedBack(string protocol)
    {
        // The client is a container of the other node: its packets come by the overlay, and the replies go back to a container.
        var address = Lab.Node(2).Subnet().Subnet.BaseAddress;
        await using var rule = await RuleTool.TranslateAsync(Lab.Node(2), RuleTool.Nft, protocol, $"{address}", 8080, $"{Remote.Address}", 7000);
        var there = await LaneMeter.ReadAsync(Lab.Node(2));
        var translated = await LaneMeter.PassedAsync(Lab.Node(2), "translated");
        await using var talk = await Talk.StartAsync(protocol, Local, Remote, address, targetPort: 8080);

        await LaneMeter.WaitCarriedAsync(talk, Lab.Node(1));
        await Wait.UntilAsync(
            "the reason on the other node", async () => await LaneMeter.PassedAsync(Lab.Node(2), "translated") >= translated + 20,
            explain: () => $"{talk.Describe()}\n{Lab.Node(2).LogTail()}", cancel: TestContext.Current.CancellationToken);

        Assert.Null(talk.Failure);
        Assert.Equal(there, await LaneMeter.ReadAsync(Lab.Node(2)));
    }

    [Fact]
    public async Task PublishedPort_OnTheNodesUnderlayAddress_IsReachedFromAContainerOfTheOtherNode()
    {
        await using var rule = await RuleTool.TranslateAsync(Lab.Node(2), RuleTool.IptablesNft, "tcp", $"{Lab.Node(2).Address}", 8080, $"{Remote.Address}", 7000);
        var (here, there) = (await LaneMeter.ReadAsync(Lab.Node(1)), await LaneMeter.ReadAsync(Lab.Node(2)));
        await using var talk = await Talk.StartAsync("tcp", Local, Remote, Lab.Node(2).Address, targetPort: 8080);

        await talk.WaitAnswersAsync(100);

        Assert.Null(talk.Failure);
        Assert.Equal((here, there), (await LaneMeter.ReadAsync(Lab.Node(1)), await LaneMeter.ReadAsync(Lab.Node(2))));
    }

    [Fact]
    public async Task Translation_InsertedIntoALiveFlow_HoldsForTheFlowsThatBeginAfterIt()
    {
        await using var old = await Talk.StartAsync("tcp", Local, Remote);
        await LaneMeter.WaitCarriedAsync(old, Lab.Nodes);

        // The same address and port, from now on somebody else's.
        await using var rule = await RuleTool.TranslateAsync(Lab.Node(1), RuleTool.Nft, "tcp", $"{Remote.Address}", 7000, $"{Lab.Pod(2, 2).Address}", 7000);
        await using var young = await Talk.StartAsync("tcp", Local, Lab.Pod(2, 2), Remote.Address);
        await young.WaitAnswersAsync(50);

        Assert.Null(young.Failure);
        await LaneMeter.WaitCarriedAsync(old, Lab.Nodes);
    }
}
