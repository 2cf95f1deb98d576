using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>The eBPF lanes carry packets, outlive the agent, and step down to the driver with a reason. Counters prove who carried what.</summary>
public sealed class LanesTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly LabSpec TwoNodes = new() { Nodes = 2, Datapath = LabSpec.BpfDatapath };

    [Theory]
    [InlineData("driver")]
    [InlineData("bpf")]
    public async Task Ping_BetweenNodesOnLanes_IsCarriedByThem(string tunnelIn)
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = [$"--tunnel-in={tunnelIn}"] });
        await lab.StartAllAsync(cancel: Cancel);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(2, 1), lab.Pod(1, 1))]);
        var (outBefore, inBefore) = (await TakenAsync(lab.Node(1), "1 out"), await TakenAsync(lab.Node(1), "1 in"));
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        var result = await ping.StopAsync();

        Assert.Equal(0, result.Lost);
        Assert.InRange(await TakenAsync(lab.Node(1), "1 out") - outBefore, result.Received, int.MaxValue);
        var carriedIn = await TakenAsync(lab.Node(1), "1 in") - inBefore;
        if (tunnelIn == "bpf")
            Assert.InRange(carriedIn, result.Received, int.MaxValue);
        else
            Assert.Equal(0, carriedIn);
    }

    [Fact]
    public async Task Nodes_OneOnLanesOneOnTheDriver_TalkBothWays()
    {
        var lab = await UpAsync(TwoNodes);
        lab.Node(1).StartAgent();
        lab.Node(2).StartAgent("--datapath=kernel");
        await lab.EachNodeAsync((node, token) => new ValueTask(node.WaitReadyAsync(cancel: token)), Cancel);
        await lab.EachNodeAsync((node, token) => new ValueTask(node.AttachPodsAsync(token)), Cancel);
        await lab.WaitRoutesAsync(cancel: Cancel);

        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(2, 1), lab.Pod(1, 1))]);

        Assert.Equal("bpf", (string?)(await AgentSocket.StatusAsync(lab.Node(1)))["datapath"]);
        Assert.Equal("kernel", (string?)(await AgentSocket.StatusAsync(lab.Node(2)))["datapath"]);
        Assert.InRange(await TakenAsync(lab.Node(1), "1 out"), 1, int.MaxValue);
    }

    [Fact]
    public async Task Agent_KilledUnderTraffic_LanesGoOnAndAreAdopted()
    {
        var lab = await UpAsync(TwoNodes);
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        var link = await LinkIdAsync(node);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, TimeSpan.FromMilliseconds(5));
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        for (var round = 0; round < 5; round++)
        {
            await node.KillAgentAsync();
            await ping.WaitAnswersAsync(20, cancel: Cancel);
            node.StartAgent();
            await node.WaitReadyAsync(cancel: Cancel);
            await WaitDatapathAsync(node, "bpf");
            await ping.WaitAnswersAsync(20, cancel: Cancel);
        }

        var result = await ping.StopAsync();

        Assert.Equal(0, result.Lost);
        Assert.Equal(link, await LinkIdAsync(node));
        // The counters are the first agent's: the maps were never made anew. (The driver has the very first, before the neighbour is known.)
        Assert.InRange(await TakenAsync(node, "1 out"), result.Received - 5, int.MaxValue);
    }

    [Fact]
    public async Task Link_DetachedByHand_IsAttachedAgain()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = ["--reconcile-interval=1s"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        var link = await LinkIdAsync(node);

        await node.RunAsync("bpftool", "link", "detach", "pinned", LinkPath(node));

        await node.WaitAgentAsync("a new link", async () => await TryLinkIdAsync(node) is { } now && now != link, cancel: Cancel);
        var before = await TakenAsync(node, "1 out");
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        Assert.InRange(await TakenAsync(node, "1 out") - before, 1, int.MaxValue);
    }

    [Fact]
    public async Task Device_DeletedByHand_GetsItsLanesBack()
    {
        var lab = await UpAsync(TwoNodes);
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        var link = await LinkIdAsync(node);

        await node.RunAsync("ip", "link", "del", Overlay.Device);

        await node.WaitAgentAsync("a link on the new device", async () => await TryLinkIdAsync(node) is { } now && now != link, cancel: Cancel);
        await lab.WaitRoutesAsync(cancel: Cancel);
        var before = await TakenAsync(node, "1 out");
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        Assert.InRange(await TakenAsync(node, "1 out") - before, 1, int.MaxValue);
    }

    [Fact]
    public async Task BpfFileSystem_Missing_StepsDownToTheDriverAndSaysWhy()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = ["--bpf-dir=/run/no-bpf-file-system"] });
        await lab.StartAllAsync(cancel: Cancel);

        var status = await AgentSocket.StatusAsync(lab.Node(1));

        Assert.Equal("kernel", (string?)status["datapath"]);
        Assert.Contains("mount -t bpf", (string?)status["datapathReason"], StringComparison.Ordinal);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        Assert.False(Directory.Exists("/run/no-bpf-file-system"));
    }

    [Fact]
    public async Task Agent_StartedWithKernelAfterLanes_TakesThemAway()
    {
        var lab = await UpAsync(TwoNodes);
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(10, cancel: Cancel);

        await node.StopAgentAsync();
        node.StartAgent("--datapath=kernel");
        await node.WaitReadyAsync(cancel: Cancel);
        await ping.WaitAnswersAsync(20, cancel: Cancel);

        Assert.Empty(Directory.EnumerateFileSystemEntries(node.BpfDirectory));
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    // What is attached is held by the agent. It must neither be nobody's after it, nor go on with maps that nobody keeps.
    [Theory]
    [InlineData("tcx")]
    [InlineData("clsact")]
    public async Task Pins_RemovedByHand_ComeBackAndNoPacketIsLost(string attachment)
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = ["--reconcile-interval=1s", "--tunnel-in=bpf", $"--bpf-attach={attachment}"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await WaitDatapathAsync(node, "bpf");
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        var pins = Pins();

        Directory.Delete(Path.Combine(node.BpfDirectory, "default"), recursive: true);

        await node.WaitAgentAsync("the pins", () => Task.FromResult(Pins().SequenceEqual(pins)), cancel: Cancel);
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
        Assert.DoesNotContain("carried by kernel", node.LogTail(), StringComparison.Ordinal);
        // The next agent finds everything in its place.
        await node.StopAgentAsync();
        node.StartAgent("--datapath=kernel");
        await node.WaitReadyAsync(cancel: Cancel);
        Assert.Empty(Directory.EnumerateFileSystemEntries(node.BpfDirectory));
        Assert.Equal("", (await node.RunAsync("bpftool", "net", "show")).Split('\n').FirstOrDefault(l => l.Contains("overlay_out", StringComparison.Ordinal)) ?? "");

        string[] Pins() => Directory.Exists(Path.Combine(node.BpfDirectory, "default"))
            ? [.. Directory.EnumerateFiles(Path.Combine(node.BpfDirectory, "default"), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [];
    }

    [Fact]
    public async Task Agent_StartedAfterOneOfAnotherSchema_TakesItsLanesAway()
    {
        var lab = await UpAsync(TwoNodes);
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        var link = await LinkIdAsync(node);
        await node.StopAgentAsync();
        var other = Path.Combine(node.BpfDirectory, "default", "0");
        Directory.Move(Path.GetDirectoryName(LinkPath(node))!, other);

        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await WaitDatapathAsync(node, "bpf");

        await node.WaitAgentAsync("the other's end", () => Task.FromResult(!Directory.Exists(other)), cancel: Cancel);
        Assert.NotEqual(link, await LinkIdAsync(node));
        Assert.NotEqual(0, (await node.ExecAsync("bpftool", "link", "show", "id", $"{link}")).ExitCode);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
    }

    [Theory]
    [InlineData("vtep", false)]
    [InlineData("observe", true)]
    [InlineData("off", true)]
    public async Task Vxlan_FromAHostThatIsNoPeer_IsRefusedByTheGuardAlone(string guard, bool delivered)
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = [$"--guard={guard}"] });
        await lab.StartAllAsync(cancel: Cancel);
        var (node, pod, etcd) = (lab.Node(1), lab.Pod(1, 1), lab.Etcd);
        // The etcd host is on the underlay and no peer: it wraps pings with an inner source outside of all subnets.
        var mac = (string)(await AgentSocket.StatusAsync(node))["vtepMac"]!;
        await etcd.RunAsync("sh", "-ec",
            $"ip link add forged type vxlan id 1 dstport 8472 remote {node.Address} dev eth0; ip link set forged addrgenmode none; ip addr add 198.18.0.1/32 dev forged; ip link set forged up;"
            + $"ip neigh add 198.18.0.2 lladdr {mac} dev forged; ip route add {pod.Address} via 198.18.0.2 dev forged onlink src 198.18.0.1");
        await using var capture = await pod.StartCaptureAsync("eth0", "icmp and src 198.18.0.1", Cancel);
        var before = await node.RefusedAsync("unknown_vtep");

        await etcd.ExecAsync("ping", "-c", "5", "-i", "0.05", "-W", "1", pod.Address.ToString());

        if (delivered)
            await capture.WaitPacketsAsync(5, cancel: Cancel);
        // Five pings, and what the kernel says by itself on a new device.
        var refused = await node.RefusedAsync("unknown_vtep") - before;
        Assert.True(guard == "off" ? refused == 0 : refused is >= 5 and < 20, $"{refused} refused");
        // Packets of the peer go on.
        await Overlay.PingAsync([(lab.Pod(2, 1), pod)]);
        Assert.Equal(delivered, (await capture.LinesAsync()).Count > 0);
    }

    private static string LinkPath(LabNode node) => Path.Combine(node.Pins(), "link_overlay_out");

    private static async Task<int> LinkIdAsync(LabNode node) => await TryLinkIdAsync(node) ?? throw new LabException($"no link at {LinkPath(node)}");

    // Null between two links: the pin of the old one is gone, that of the new one not yet there.
    private static async Task<int?> TryLinkIdAsync(LabNode node) =>
        await node.ExecAsync("bpftool", "-j", "link", "show", "pinned", LinkPath(node)) is { ExitCode: 0 } shown ? (int)JsonNode.Parse(shown.Stdout)!["id"]! : null;

    private static async Task<JsonObject> LaneAsync(LabNode node, string lane) =>
        (await AgentSocket.StatusAsync(node))["lanes"]!.AsArray().Select(l => l!.AsObject()).Single(l => (string?)l["lane"] == lane);

    private static async Task<int> TakenAsync(LabNode node, string lane) => (int)(await LaneAsync(node, lane))["taken"]!;

    private static async Task WaitDatapathAsync(LabNode node, string datapath) =>
        _ = await AgentSocket.WaitAsync(node, $"the datapath {datapath}", s => (string?)s["datapath"] == datapath);
}
