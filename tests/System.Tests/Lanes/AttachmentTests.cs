using System.Text.RegularExpressions;
using Accelerated.Interop.Libbpf;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>How programs are attached: by tcx or by clsact, from one to the other without a lost packet, beside other people's programs.</summary>
public sealed partial class AttachmentTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Tcx = "--bpf-attach=tcx";
    private const string Clsact = "--bpf-attach=clsact";
    private static readonly LabSpec TwoNodes = new() { Nodes = 2, Datapath = LabSpec.BpfDatapath, AgentFlags = ["--reconcile-interval=1s"] };
    private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);

    [Fact]
    public async Task Clsact_Chosen_CarriesPacketsAndLeavesNothingButTheQdisc()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = [Clsact, "--tunnel-in=bpf"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);

        await lab.PingThroughLanesAsync();
        Assert.InRange(await node.TakenAsync("1 in"), 1, int.MaxValue);
        Assert.Contains("underlay_in", await FiltersAsync(node, "eth0", "ingress"), StringComparison.Ordinal);
        Assert.Contains("overlay_out", await FiltersAsync(node, Overlay.Device, "egress"), StringComparison.Ordinal);
        Assert.Empty(node.Links());

        await node.StopAgentAsync();
        node.StartAgent("--datapath=kernel");
        await node.WaitDatapathAsync("kernel");
        Assert.Equal("", (await FiltersAsync(node, "eth0", "ingress") + await FiltersAsync(node, Overlay.Device, "egress")).Trim());
        Assert.Empty(Directory.EnumerateFileSystemEntries(node.BpfDirectory));
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
    }

    [Fact]
    public async Task Clsact_FilterOrQdiscRemovedByHand_ComesBack()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = [Clsact, "--reconcile-interval=1s"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        foreach (var blow in (string[])[$"tc filter del dev {Overlay.Device} egress", $"tc qdisc del dev {Overlay.Device} clsact", $"ip link del {Overlay.Device}"])
        {
            await node.RunAsync("sh", "-ec", blow);
            await node.WaitAgentAsync("the filter", async () => (await FiltersAsync(node, Overlay.Device, "egress")).Contains("overlay_out", StringComparison.Ordinal), cancel: Cancel);
            await lab.WaitRoutesAsync(cancel: Cancel);
            await lab.PingThroughLanesAsync();
        }

        Assert.Single(Directory.EnumerateFiles(node.Pins(), "filter_overlay_out_*"));
    }

    [Fact]
    public async Task Agent_RestartedOnClsact_ReplacesItsFilterInPlace()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = [Clsact] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, Millisecond);
        for (var round = 0; round < 5; round++)
        {
            var before = ProgramIds(await FiltersAsync(node, Overlay.Device, "egress"));
            await ping.WaitAnswersAsync(100, cancel: Cancel);
            await node.KillAgentAsync();
            node.StartAgent();
            await node.WaitAgentAsync("the next program", async () => !before.SequenceEqual(ProgramIds(await FiltersAsync(node, Overlay.Device, "egress"))), cancel: Cancel);
            Assert.Single(ProgramIds(await FiltersAsync(node, Overlay.Device, "egress")));
        }

        await ping.WaitAnswersAsync(100, cancel: Cancel);
        var result = await ping.StopAsync();
        Output.WriteLine($"{result}");
        Assert.Equal((0, 0), (result.Lost, result.Duplicates));
    }

    [Fact]
    public async Task Attachment_ChangedUnderTraffic_LosesAndDoublesNothing()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = ["--tunnel-in=bpf"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await node.AddClsactAsync();
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, Millisecond);
        await ping.WaitAnswersAsync(100, cancel: Cancel);
        for (var round = 0; round < 3; round++)
        {
            await node.RestartAsync(Clsact);
            Assert.Empty(node.Links());
            Assert.Contains("overlay_out", await FiltersAsync(node, Overlay.Device, "egress"), StringComparison.Ordinal);
            await ping.WaitAnswersAsync(200, cancel: Cancel);
            await node.RestartAsync(Tcx);
            Assert.Empty(Directory.EnumerateFiles(node.Pins(), "filter_*"));
            Assert.Equal("", (await FiltersAsync(node, Overlay.Device, "egress")).Trim());
            await ping.WaitAnswersAsync(200, cancel: Cancel);
        }

        var result = await ping.StopAsync();
        Output.WriteLine($"{result}");
        Assert.Equal((0, 0), (result.Lost, result.Duplicates));
    }

    [Fact]
    public async Task ClsactFilters_OfOthers_SeeEveryPacketAndStay()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = ["--tunnel-in=bpf", "--reconcile-interval=1s"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        Assert.Equal(2, node.Links().Count);
        await node.AddClsactAsync();
        using var outward = new ForeignProgram(lab.Layout, "outward");
        using var inward = new ForeignProgram(lab.Layout, "inward");
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, Millisecond);
        await ping.WaitAnswersAsync(100, cancel: Cancel);

        // Someone begins to account packets on both hooks: the lanes make room.
        await outward.AttachFilterAsync(node, Overlay.Device, TcxHook.Egress);
        await inward.AttachFilterAsync(node, "eth0", TcxHook.Ingress);
        await node.WaitAgentAsync("no links", () => Task.FromResult(node.Links().Count == 0), cancel: Cancel);
        // The kernel ends a link that nothing holds any more a little later.
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        var (seenOut, seenIn) = (outward.Count, inward.Count);
        var (takenOut, takenIn) = (await node.TakenAsync("1 out"), await node.TakenAsync("1 in"));
        await ping.WaitAnswersAsync(300, cancel: Cancel);
        (takenOut, takenIn) = (await node.TakenAsync("1 out") - takenOut, await node.TakenAsync("1 in") - takenIn);
        Assert.InRange(takenOut, 300, int.MaxValue);
        Assert.InRange(takenIn, 300, int.MaxValue);
        Assert.InRange(outward.Count - seenOut, takenOut, int.MaxValue);
        Assert.InRange(inward.Count - seenIn, takenIn, int.MaxValue);

        // When they are gone, the lanes go back to tcx.
        await ForeignProgram.RemoveFilterAsync(node, Overlay.Device, TcxHook.Egress);
        await ForeignProgram.RemoveFilterAsync(node, "eth0", TcxHook.Ingress);
        await node.WaitAgentAsync("our links", () => Task.FromResult(node.Links().Count == 2), cancel: Cancel);
        Assert.Empty(Directory.EnumerateFiles(node.Pins(), "filter_*"));
        await lab.PingThroughLanesAsync();
        var result = await ping.StopAsync();
        Output.WriteLine($"{result}");
        Assert.Equal((0, 0), (result.Lost, result.Duplicates));
    }

    [Fact]
    public async Task TcxPrograms_OfOthers_BeforeAndAfterOurs_Stay()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = [.. TwoNodes.AgentFlags, "--tunnel-in=driver"] });
        var node = lab.Node(1);
        using var before = new ForeignProgram(lab.Layout, "before");
        using var after = new ForeignProgram(lab.Layout, "after");
        await before.AttachAsync(node, "eth0", TcxHook.Ingress);
        await lab.StartAllAsync(cancel: Cancel);
        await after.AttachAsync(node, "eth0", TcxHook.Ingress);

        // Guard only: what underlay_in passes on is seen by both.
        var (first, last) = (before.Count, after.Count);
        await lab.PingThroughLanesAsync();
        Assert.InRange(before.Count - first, 4, int.MaxValue);
        Assert.InRange(after.Count - last, 4, int.MaxValue);

        // What lane 1 in took would pass by the one behind: the driver goes on decapsulating, and status says who is in the way.
        await node.RestartAsync("--tunnel-in=bpf");
        var status = await AgentSocket.WaitAsync(
            node, "the reason", s => ((string?)s["lanes"]!.AsArray().Single(l => (string?)l!["lane"] == "1 in")!["off"])?.Contains("behind ours", StringComparison.Ordinal) == true);
        Assert.Equal("bpf", (string?)status["datapath"]);
        (first, last) = (before.Count, after.Count);
        var taken = await node.TakenAsync("1 in");
        await lab.PingThroughLanesAsync();
        Assert.Equal(taken, await node.TakenAsync("1 in"));
        Assert.InRange(before.Count - first, 4, int.MaxValue);
        Assert.InRange(after.Count - last, 4, int.MaxValue);

        // Ours goes, theirs stay.
        Assert.True(before.IsAttached && after.IsAttached);
        await node.StopAgentAsync();
        node.StartAgent("--datapath=kernel");
        await node.WaitDatapathAsync("kernel");
        (first, last) = (before.Count, after.Count);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        Assert.InRange(before.Count - first, 4, int.MaxValue);
        Assert.InRange(after.Count - last, 4, int.MaxValue);
    }

    [Fact]
    public async Task Slot_TakenByAnotherKindOfFilter_StepsDownWithTheReason()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = [Clsact] });
        var node = lab.Node(1);
        await node.RunAsync("sh", "-ec", "tc qdisc add dev eth0 clsact; tc filter add dev eth0 ingress pref 65000 protocol all u32 match u32 0 0 flowid 1:1");
        await lab.StartAllAsync(cancel: Cancel);

        var (name, reason) = await node.DatapathAsync();
        Output.WriteLine(reason);
        Assert.Equal("kernel", name);
        Assert.Contains("underlay_in", reason, StringComparison.Ordinal);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);

        await node.RunAsync("sh", "-ec", "tc filter del dev eth0 ingress pref 65000");
        await node.WaitDatapathAsync("bpf", TimeSpan.FromSeconds(10));
        await lab.PingThroughLanesAsync();
    }

    private static Task<string> FiltersAsync(LabNode node, string device, string hook) =>
        node.RunAsync("sh", "-c", $"tc filter show dev {device} {hook} 2>/dev/null || true");

    private static List<string> ProgramIds(string filters) => [.. ProgramId().Matches(filters).Select(m => m.Value)];

    [GeneratedRegex(" id [0-9]+ ")]
    private static partial Regex ProgramId();
}
