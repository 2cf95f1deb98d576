using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>An agent of another version takes over programs and maps while packets flow.</summary>
public sealed class UpgradeTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly LabSpec TwoNodes = new() { Nodes = 2, Datapath = LabSpec.BpfDatapath };
    private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);

    [Theory]
    [InlineData("tcx", "tcx", "0")]
    [InlineData("tcx", "tcx", "9")]
    [InlineData("clsact", "clsact", "0")]
    [InlineData("clsact", "tcx", "0")]
    [InlineData("tcx", "clsact", "9")]
    public async Task Schema_Changed_IsTakenOverWithoutALostPacket(string from, string to, string otherSchema)
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = ["--tunnel-in=bpf", $"--bpf-attach={from}"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await node.AddClsactAsync();
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, Millisecond);
        await ping.WaitAnswersAsync(200, cancel: Cancel);
        await node.StopAgentAsync();
        // What is attached now is another version's, as far as the next agent can tell: its maps and links are under another schema.
        Directory.Move(node.Pins(), node.Pins(otherSchema));
        await ping.WaitAnswersAsync(100, cancel: Cancel);

        node.StartAgent($"--bpf-attach={to}");
        await node.WaitDatapathAsync("bpf");

        Assert.False(Directory.Exists(node.Pins(otherSchema)));
        Assert.Equal(2, to == "tcx" ? node.Links().Count : Directory.EnumerateFiles(node.Pins(), "filter_*").Count());
        // The maps are new, and so are their counters; what the agent knows before etcd answers may be less than all.
        await node.WaitAgentAsync("lane 1", async () => await node.TakenAsync("1 out") > 0, cancel: Cancel);
        var before = await node.TakenAsync("1 out");
        await ping.WaitAnswersAsync(200, cancel: Cancel);
        Assert.InRange(await node.TakenAsync("1 out") - before, 200, int.MaxValue);
        var result = await ping.StopAsync();
        Output.WriteLine($"{result}");
        Assert.Equal((0, 0), (result.Lost, result.Duplicates));
        Assert.Equal(2, (await ProgramsOnHooksAsync(node)).Count);
    }

    [Fact]
    public async Task Object_Changed_ReplacesTheProgramsOfTheSameLinksAndMaps()
    {
        using var sources = new LaneSources("overlay.bpf.c", "return lane_1_out(skb, settings, count);", "count->passed_vlan++; return lane_1_out(skb, settings, count);");
        var lab = await UpAsync(TwoNodes);
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, Millisecond);
        await ping.WaitAnswersAsync(100, cancel: Cancel);
        var (link, taken) = (await LinkAsync(node), await node.TakenAsync("1 out"));

        foreach (var flags in (string[][])[[$"--bpf-object-dir={sources.Folder}"], []])
        {
            await node.RestartAsync(flags);
            await ping.WaitAnswersAsync(200, cancel: Cancel);
            var now = await LinkAsync(node);
            Assert.Equal((int)link["id"]!, (int)now["id"]!);
            Assert.NotEqual((int)link["prog_id"]!, (int)now["prog_id"]!);
            link = now;
        }

        var result = await ping.StopAsync();
        Output.WriteLine($"{result}");
        Assert.Equal((0, 0), (result.Lost, result.Duplicates));
        Assert.InRange(await node.TakenAsync("1 out") - taken, 400, int.MaxValue);
        var counted = (await AgentSocket.StatusAsync(node))["lanes"]!.AsArray().Single(l => (string?)l!["lane"] == "1 out")!["passed"]!["vlan"];
        Assert.InRange((int)counted!, 200, int.MaxValue);
    }

    private static async Task<JsonNode> LinkAsync(LabNode node) =>
        JsonNode.Parse(await node.RunAsync("bpftool", "-j", "link", "show", "pinned", Path.Combine(node.Pins(), "link_overlay_out")))!;

    /// <summary>Programs of ours that the kernel runs on the node's interfaces, by either way.</summary>
    private static async Task<List<string>> ProgramsOnHooksAsync(LabNode node)
    {
        var links = node.Links().Select(l => Path.GetFileName(l)).ToList();
        var filters = await node.RunAsync("sh", "-c", $"tc filter show dev eth0 ingress; tc filter show dev {Overlay.Device} egress");
        return [.. links, .. filters.Split('\n').Where(l => l.Contains("direct-action", StringComparison.Ordinal))];
    }
}
