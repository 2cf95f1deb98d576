using System.Net;
using System.Text.Json.Nodes;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Lane 3 in native mode on the hosts' veths: what it decapsulates arrives by the other lanes, and who else is on the interface is left alone.</summary>
public sealed class XdpTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Lane = "3 in";
    private const int Native = 1;
    private static readonly LabSpec TwoNodes = new() { Nodes = 2, Datapath = LabSpec.BpfDatapath, AgentFlags = ["--xdp=on", "--reconcile-interval=1s"] };

    [Fact]
    public async Task Traffic_BetweenContainers_ComesInByLane3AndTakesTheShortcut()
    {
        var lab = await UpAsync(TwoNodes);
        await StartAsync(lab);
        Assert.Equal(Native, (int)(await XdpAsync(lab.Node(1)))!["mode"]!);
        var before = await lab.Node(2).TakenAsync(Lane);
        var ping = await lab.Pod(1, 1).PingAsync(lab.Pod(2, 1).Address, 20, cancel: Cancel);
        Assert.Equal(0, ping.Lost);
        Assert.InRange(await lab.Node(2).TakenAsync(Lane) - before, 20, int.MaxValue);
        // What lane 3 has decapsulated goes into the container without the bridge, once netfilter has accepted the flow.
        using var talk = await Conversation.TcpAsync(lab.Pod(1, 1), lab.Pod(2, 1), lab.Pod(2, 1).Address, 7000);
        await OpenShortcutLab.SettleAsync(lab, talk);
        var moved = await OpenShortcutLab.MovedAsync(lab, () => talk.ExchangeAsync(100));
        Assert.All(moved, node => Assert.InRange(node.In2, 90, int.MaxValue));
        Assert.Equal(lab.Pod(1, 1).Address, talk.ClientSeen);
    }

    [Theory]
    [InlineData(1500)]
    [InlineData(9000)]
    public async Task Stream_BetweenContainers_IsWholeAndMadeOfLargePackets(int mtu)
    {
        var lab = await UpAsync(TwoNodes with { UnderlayMtu = mtu });
        await StartAsync(lab);
        using var talk = await Conversation.TcpAsync(lab.Pod(1, 1), lab.Pod(2, 1), lab.Pod(2, 1).Address, 7000);
        var (early, short2) = (await lab.Node(2).TakenAsync(Lane), await lab.Node(2).TakenAsync("2 in") + await lab.Node(2).TakenAsync("1 in"));
        await talk.ExchangeAsync(20, size: 1_000_000);
        early = await lab.Node(2).TakenAsync(Lane) - early;
        var packets = await lab.Node(2).TakenAsync("2 in") + await lab.Node(2).TakenAsync("1 in") - short2;
        Output.WriteLine($"{early} frames by lane 3, {packets} packets at TC behind it");
        // The exchange compares what came back; GRO in between has made fewer of them.
        Assert.InRange(early, 20_000_000 / mtu, int.MaxValue);
        Assert.InRange(packets, 1, early);
    }

    [Fact]
    public async Task Agent_KilledStoppedAndReplaced_LosesNothing()
    {
        var lab = await UpAsync(TwoNodes);
        await StartAsync(lab);
        var node = lab.Node(1);
        var link = await LinkAsync(node);
        await using var ping = lab.Pod(2, 1).StartPing(lab.Pod(1, 1).Address, TimeSpan.FromMilliseconds(5));
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        await node.KillAgentAsync();
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        node.StartAgent();
        await WaitEarlyAsync(node);
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        Assert.Equal((int)link["id"]!, (int)(await LinkAsync(node))["id"]!);
        // Off and on again by the flag: packets change the lane, and none is lost.
        await node.RestartAsync("--xdp=off");
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        Assert.Null(await XdpAsync(node));
        await node.RestartAsync();
        await WaitEarlyAsync(node);
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        var result = await ping.StopAsync();
        Output.WriteLine($"{result}");
        Assert.Equal((0, 0), (result.Lost, result.Duplicates));

        await node.StopAgentAsync();
        (await node.CleanupAsync()).OrThrow();
        Assert.Null(await XdpAsync(node));
    }

    [Fact]
    public async Task Forgery_IsDroppedBeforeThereIsAPacket_AndShown()
    {
        var lab = await UpAsync(TwoNodes);
        await StartAsync(lab);
        var (node, pod) = (lab.Node(1), lab.Pod(1, 1));
        var mac = MacAddress.Parse((string)(await AgentSocket.StatusAsync(node))["vtepMac"]!);
        var forgery = new Forgery(lab.Etcd, node.Address, mac, IPAddress.Parse("198.18.0.1"), pod.Address);
        await using var capture = await pod.StartCaptureAsync("eth0", forgery.Filter, Cancel);

        forgery.Send(20);

        await AgentSocket.WaitAsync(node, "twenty refused by lane 3", s => (int?)LaneMeter.Lane(s, Lane)["refused"]!["unknown_vtep"] == 20);
        // Nothing of it was left for the program at TC to refuse.
        Assert.Null(LaneMeter.Lane(await AgentSocket.StatusAsync(node), "1 in")["refused"]!["unknown_vtep"]);
        Assert.Empty(await capture.LinesAsync());
        await Overlay.PingAsync([(lab.Pod(2, 1), pod)]);
    }

    [Fact]
    public async Task Program_OfSomebodyElse_StaysAndIsNamed_AndItsWordIsNotBelieved()
    {
        var lab = await UpAsync(TwoNodes);
        var node = lab.Node(1);
        var (source, compiled) = ($"{lab.Layout.ScratchDirectory}/theirs.c", $"{lab.Layout.ScratchDirectory}/theirs.o");
        await File.WriteAllTextAsync(source, """
            #include <linux/bpf.h>
            #include <bpf/bpf_helpers.h>
            /* Leaves a word before each frame, as lane 3 does, but without its cookie. */
            SEC("xdp.frags") int theirs(struct xdp_md *frame)
            {
                __u32 *word;

                if (bpf_xdp_adjust_meta(frame, -12))
                    return XDP_PASS;
                word = (void *)(long)frame->data_meta;
                if ((void *)(word + 3) > (void *)(long)frame->data)
                    return XDP_PASS;
                word[0] = 1;
                word[1] = 2;
                word[2] = 1;
                return XDP_PASS;
            }
            char LICENSE[] SEC("license") = "GPL";
            """, Cancel);
        LaneSources.Compile(source, compiled);
        await node.RunAsync("ip", "link", "set", "dev", "eth0", "xdpdrv", "obj", compiled, "sec", "xdp.frags");
        var theirs = (int)(await XdpAsync(node))!["prog"]!["id"]!;

        await lab.StartAllAsync(cancel: Cancel);

        await AgentSocket.WaitAsync(node, "the other's program in a problem", s => s["problems"]!.AsArray().Any(p =>
            (string?)p!["code"] == "xdp" && ((string)p["message"]!).Contains("eth0 has an XDP program of somebody else's", StringComparison.Ordinal)));
        Assert.Equal(theirs, (int)(await XdpAsync(node))!["prog"]!["id"]!);
        await lab.PingThroughLanesAsync();

        await node.RunAsync("ip", "link", "set", "dev", "eth0", "xdpdrv", "off");
        await WaitEarlyAsync(node);
        Assert.Null(await node.ProblemAsync("xdp"));
    }

    [Fact]
    public async Task Program_OfSomebodyElseAtTc_MakesItGuardOnlyWhileItIsThere()
    {
        var lab = await UpAsync(TwoNodes);
        await StartAsync(lab);
        var node = lab.Node(1);
        await using var ping = lab.Pod(2, 1).StartPing(lab.Pod(1, 1).Address, TimeSpan.FromMilliseconds(20));
        await ping.WaitAnswersAsync(10, cancel: Cancel);

        int before;
        using (var theirs = new ForeignProgram(lab.Layout, "theirs"))
        {
            await theirs.AttachAsync(node, "eth0", TcxHook.Ingress);
            await AgentSocket.WaitAsync(node, "a guard alone", s => ((string?)LaneMeter.Lane(s, Lane)["off"] ?? "").StartsWith("it only guards: eth0 has the BPF program theirs", StringComparison.Ordinal));
            before = await node.TakenAsync(Lane);
            var seen = theirs.Count;
            await ping.WaitAnswersAsync(30, cancel: Cancel);
            Assert.Equal(before, await node.TakenAsync(Lane));
            Assert.InRange(theirs.Count - seen, 30, int.MaxValue);
        }

        await WaitEarlyAsync(node);
        await ping.WaitAnswersAsync(30, cancel: Cancel);
        Assert.InRange(await node.TakenAsync(Lane) - before, 20, int.MaxValue);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    [Fact]
    public async Task Auto_OnAVeth_LeavesItAlone()
    {
        var lab = await UpAsync(TwoNodes with { Nodes = 1, PodsPerNode = 0, AgentFlags = ["--xdp=auto"] });
        lab.Node(1).StartAgent();
        await lab.Node(1).WaitReadyAsync(cancel: Cancel);
        var status = await lab.Node(1).WaitDatapathAsync("bpf");
        Assert.Contains("eth0 is a veth", (string?)LaneMeter.Lane(status, Lane)["off"], StringComparison.Ordinal);
        Assert.Null(await XdpAsync(lab.Node(1)));
        Assert.Null(await lab.Node(1).ProblemAsync("xdp"));
    }

    [Fact]
    public async Task Link_OfLane1TakenAwayByHand_IsBackAndPacketsGoOn()
    {
        var lab = await UpAsync(TwoNodes);
        await StartAsync(lab);
        var node = lab.Node(1);
        await node.RunAsync("bpftool", "link", "detach", "pinned", Path.Combine(node.Pins(), "link_underlay_in"));
        await node.WaitAgentAsync("the program at TC", async () => (await lab.Pod(2, 1).PingAsync(lab.Pod(1, 1).Address, 3, cancel: Cancel)).Lost == 0, cancel: Cancel);
        await node.RunAsync("bpftool", "link", "detach", "pinned", Path.Combine(node.Pins(), "link_wire_in"));
        var before = await node.TakenAsync(Lane);
        await node.WaitAgentAsync("lane 3", async () =>
        {
            await lab.Pod(2, 1).PingAsync(lab.Pod(1, 1).Address, 3, cancel: Cancel);
            return await node.TakenAsync(Lane) > before;
        }, cancel: Cancel);
    }

    private static async Task StartAsync(NetworkLab lab)
    {
        await lab.StartAllAsync(cancel: Cancel);
        foreach (var node in lab.Nodes)
            await WaitEarlyAsync(node);
    }

    private static Task<JsonObject> WaitEarlyAsync(LabNode node) =>
        AgentSocket.WaitAsync(node, "lane 3", s => s["lanes"] is JsonArray { Count: > 0 } && LaneMeter.Lane(s, Lane)["off"] is null);

    /// <summary>What ip(8) says of XDP on the underlay's interface; null for none.</summary>
    private static async Task<JsonNode?> XdpAsync(LabNode node) => (await node.IpAsync("link", "show", "dev", "eth0"))[0]["xdp"];

    private static async Task<JsonNode> LinkAsync(LabNode node) =>
        JsonNode.Parse(await node.RunAsync("bpftool", "-j", "link", "show", "pinned", Path.Combine(node.Pins(), "link_wire_in")))!;
}
