using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>What the lanes need is taken away: one step down, traffic goes on, status says why. What is put back is noticed.</summary>
public sealed class LadderTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly LabSpec TwoNodes = new() { Nodes = 2, Datapath = LabSpec.BpfDatapath };
    private static readonly TimeSpan Noticed = TimeSpan.FromSeconds(10);

    // CAP_BPF is 39; libcap-ng of Debian 12 knows it by number only.
    private const string CapBpf = "cap_39";

    [Fact]
    public async Task CapBpf_Missing_StepsDownToTheDriver() =>
        await ExpectDriverAsync(WrappedAgent.With("net_admin"), "lacks CAP_BPF", "AmbientCapabilities");

    [Fact]
    public async Task Libbpf_Missing_StepsDownToTheDriver() =>
        await ExpectDriverAsync(WrappedAgent.WithoutLibrary("libbpf"), "libbpf.so.1 is not installed", "apt-get install libbpf1");

    [Fact]
    public async Task Verifier_RefusesTheObject_StepsDownWithTheEndOfItsLog()
    {
        using var sources = new LaneSources("overlay.bpf.c", "return lane_1_out(skb, settings, count);", "return *(__u8 *)(long)skb->data;");
        await ExpectDriverAsync(new WrappedAgent(), "invalid access to packet", "--bpf-compile=always", $"--bpf-object-dir={sources.Folder}");
    }

    [Fact]
    public async Task CapPerfmon_Missing_LaneOneCarriesAndLaneTwoSaysWhy()
    {
        var reason = await ExpectLanesAsync(WrappedAgent.With("net_admin", CapBpf));
        Assert.Contains("lane 2 closed", reason, StringComparison.Ordinal);
        Assert.Contains("CAP_PERFMON", reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task KernelTypes_Hidden_LaneOneCarriesAndLaneTwoSaysWhy() =>
        Assert.Contains(
            "lane 2 closed: the kernel does not tell its types", await ExpectLanesAsync(new WrappedAgent("mount -t tmpfs none /sys/kernel/btf")),
            StringComparison.Ordinal);

    [Fact]
    public async Task KernelFunction_OfConntrackMissing_LaneOneCarriesAndLaneTwoSaysWhy()
    {
        // As on a kernel before 5.18: the function that the program calls is not there.
        using var sources = new LaneSources("conntrack.h", "extern struct nf_conn *bpf_skb_ct_lookup", "#define bpf_skb_ct_lookup bpf_no_such_lookup\nextern struct nf_conn *bpf_skb_ct_lookup");
        Assert.Contains(
            "lane 2 closed: this kernel lets no program look into conntrack",
            await ExpectLanesAsync(new WrappedAgent(), $"--bpf-object-dir={sources.Folder}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task BpfFileSystem_MountedLater_IsNoticed()
    {
        var lab = await UpAsync(TwoNodes);
        var node = lab.Node(1);
        var late = Path.Combine(node.RunDirectory, "late");
        Directory.CreateDirectory(late);
        node.StartAgent($"--bpf-dir={late}/pins");
        lab.Node(2).StartAgent();
        await lab.EachNodeAsync((n, token) => new ValueTask(n.WaitReadyAsync(cancel: token)), Cancel);
        await lab.EachNodeAsync((n, token) => new ValueTask(n.AttachPodsAsync(token)), Cancel);
        await lab.WaitRoutesAsync(cancel: Cancel);
        var (name, reason) = await node.DatapathAsync();
        Assert.Equal(("kernel", true), (name, reason.Contains("not on a BPF file system", StringComparison.Ordinal)));
        Assert.Contains("mount -t bpf", reason, StringComparison.Ordinal);
        Assert.Contains("not on a BPF file system", await node.ProblemAsync("bpf-lanes"), StringComparison.Ordinal);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);

        await node.RunAsync("mount", "-t", "bpf", "bpf", late);

        // The problems are those of the last whole pass.
        await AgentSocket.WaitAsync(node, "the lanes and no problem", s => (string?)s["datapath"] == "bpf" && !AgentSocket.Problems(s).Any(), Noticed);
        await lab.PingThroughLanesAsync();
        Assert.Equal(0, (await ping.StopAsync()).Lost);
        var log = File.ReadAllText(node.LogFile);
        Assert.Contains("packets are carried by kernel: the eBPF lanes are off", log, StringComparison.Ordinal);
        Assert.Contains("packets are carried by bpf: lane 1 out", log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tcx")]
    [InlineData("clsact")]
    public async Task Lanes_OfAnEarlierAgent_GoWhenTheNextCannotFeedThem(string attachment)
    {
        using var crippled = WrappedAgent.With("net_admin");
        var may = Path.Combine(Path.GetDirectoryName(crippled.Path)!, "may");
        // The wrapper of a lab cannot be changed, so one that asks a file whether to be crippled.
        using var agent = new WrappedAgent($"if ! test -e {may}; then set -- \"$@\"; exec {crippled.Path} \"$@\"; fi");
        File.WriteAllText(may, "");
        var lab = await UpAsync(TwoNodes with { AgentBinary = agent.Path, AgentFlags = [$"--bpf-attach={attachment}"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await node.WaitDatapathAsync("bpf");
        Assert.NotEqual("", await AttachedAsync(node));
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(5, cancel: Cancel);

        await node.StopAgentAsync();
        File.Delete(may);
        node.StartAgent();

        await node.WaitDatapathAsync("kernel");
        Assert.Contains("lacks CAP_BPF", (await node.DatapathAsync()).Reason, StringComparison.Ordinal);
        Assert.Equal("", await AttachedAsync(node));
        await ping.WaitAnswersAsync(20, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    [Theory]
    [InlineData("ip link add flannel.1 type veth peer name other", "the device name flannel.1 is taken by a device of kind veth")]
    [InlineData("ip link add other type vxlan id 1 dstport 8472 local 192.0.2.1 dev eth0 && ip link set other up", "VNI 1 on UDP port 8472 is in use by another device")]
    [InlineData("ip link add other type vxlan id 1 dstport 8472 && ip link set other up", "VNI 1 on UDP port 8472 is in use by another device")]
    [InlineData("ip link add other type vxlan external dstport 8472 && ip link set other up", "UDP port 8472 is in use")]
    public async Task VxlanDevice_CannotBeHadBesideFlannel_IsCriticalAndSaysWhatToDo(string obstacle, string words)
    {
        var lab = await UpAsync(TwoNodes with { Nodes = 1, PodsPerNode = 0 });
        var node = lab.Node(1);
        // flannel's lease: without it plain routes would do (TransportTests).
        await lab.Etcd.CtlAsync("put", LabSteps.KeyName("10.5.200.0/24"), LabSteps.LeaseValue("192.0.2.77", "6e:0b:24:f3:bc:5a"));
        await node.RunAsync("sh", "-ec", obstacle);

        node.StartAgent();

        var status = await AgentSocket.WaitAsync(node, "the device's problem", s => AgentSocket.Problems(s).Contains("no-transport"));
        Assert.Equal("critical", (string?)status["health"]);
        Assert.Contains(words, await node.ProblemAsync("no-transport"), StringComparison.Ordinal);
        await node.RunAsync("sh", "-ec", "ip link del other 2>/dev/null || ip link del flannel.1");
        await AgentSocket.WaitAsync(node, "the end of the problem", s => !AgentSocket.Problems(s).Any(), Noticed);
    }

    [Fact]
    public async Task Map_TooSmallForThePeers_IsSaidAndTheRestGoesByTheDriver()
    {
        using var sources = new LaneSources("types.h", "#define MAX_SUBNETS   16384", "#define MAX_SUBNETS 2");
        var lab = await UpAsync(TwoNodes with { Nodes = 3, AgentFlags = [$"--bpf-object-dir={sources.Folder}"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);

        await AgentSocket.WaitAsync(node, "the full map", s => AgentSocket.Problems(s).Contains("bpf-map-full"));

        Assert.Equal("bpf", (await node.DatapathAsync()).Name);
        Assert.Contains("subnets", await node.ProblemAsync("bpf-map-full"), StringComparison.Ordinal);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(1, 1), lab.Pod(3, 1)), (lab.Pod(2, 1), lab.Pod(3, 1))]);
        Assert.InRange(await node.TakenAsync("1 out"), 1, int.MaxValue);
        // A peer goes, and there is room.
        var gone = (await lab.Etcd.ListAsync(cancel: Cancel)).KeyOf(lab.Node(3));
        await lab.Node(3).KillAgentAsync();
        await lab.Etcd.CtlAsync("del", gone.Key);
        await AgentSocket.WaitAsync(node, "room in the map", s => !AgentSocket.Problems(s).Contains("bpf-map-full"), Noticed);
        await lab.PingThroughLanesAsync();
    }

    [Fact]
    public async Task Helper_RefusedForEveryPacket_IsSaidAndTheDriverCarries()
    {
        // As on a kernel before 5.13, where the first of the two flags was not known yet.
        using var sources = new LaneSources("encap.h", "BPF_ADJ_ROOM_MAC, ENCAP_FLAGS", "BPF_ADJ_ROOM_MAC, 1 << 30 | ENCAP_FLAGS");
        var lab = await UpAsync(TwoNodes with { AgentFlags = [$"--bpf-object-dir={sources.Folder}"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        await node.WaitDatapathAsync("bpf");
        Assert.Null(await node.ProblemAsync("bpf-lane-futile"));

        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);

        var status = await AgentSocket.WaitAsync(node, "the lane's problem", s => AgentSocket.Problems(s).Contains("bpf-lane-futile"), TimeSpan.FromSeconds(30));
        Assert.Equal("warning", (string?)status["health"]);
        var words = await node.ProblemAsync("bpf-lane-futile");
        Output.WriteLine(words ?? "");
        Assert.Contains("lane 1 out, ", words, StringComparison.Ordinal);
        Assert.DoesNotContain("1 in", words, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Guard_MapOfNodesTooSmall_RefusesNoPeer()
    {
        using var sources = new LaneSources("types.h", "#define MAX_VTEPS     16384", "#define MAX_VTEPS 1");
        var lab = await UpAsync(TwoNodes with { Nodes = 3, AgentFlags = [$"--bpf-object-dir={sources.Folder}"] });
        await lab.StartAllAsync(cancel: Cancel);

        await AgentSocket.WaitAsync(lab.Node(1), "the full map", s => AgentSocket.Problems(s).Contains("bpf-map-full"));

        Assert.Contains("vteps", await lab.Node(1).ProblemAsync("bpf-map-full"), StringComparison.Ordinal);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(1, 1), lab.Pod(3, 1)), (lab.Pod(2, 1), lab.Pod(3, 1))]);
    }

    private async Task ExpectDriverAsync(WrappedAgent agent, string reason, string remedy, params string[] flags)
    {
        using (agent)
        {
            var lab = await UpAsync(TwoNodes with { AgentBinary = agent.Path, AgentFlags = [.. flags] });
            await lab.StartAllAsync(cancel: Cancel);
            await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);

            var status = await AgentSocket.StatusAsync(lab.Node(1));

            Assert.Equal("kernel", (string?)status["datapath"]);
            Assert.Equal("warning", (string?)status["health"]);
            var words = (string)status["datapathReason"]!;
            Output.WriteLine(words);
            Assert.Contains(reason, words, StringComparison.Ordinal);
            Assert.Contains(remedy, words, StringComparison.Ordinal);
            Assert.Contains(reason, await lab.Node(1).ProblemAsync("bpf-lanes"), StringComparison.Ordinal);
            Assert.Contains(reason, File.ReadAllText(lab.Node(1).LogFile), StringComparison.Ordinal);
            Assert.Equal("", await AttachedAsync(lab.Node(1)));
        }
    }

    private async Task<string> ExpectLanesAsync(WrappedAgent agent, params string[] flags)
    {
        using (agent)
        {
            var lab = await UpAsync(TwoNodes with { AgentBinary = agent.Path, AgentFlags = [.. flags] });
            await lab.StartAllAsync(cancel: Cancel);
            await lab.Node(1).WaitDatapathAsync("bpf");
            Assert.Null(await lab.Node(1).ProblemAsync("bpf-lanes"));
            await lab.PingThroughLanesAsync();
            var (_, reason) = await lab.Node(1).DatapathAsync();
            Output.WriteLine(reason);
            return reason;
        }
    }

    /// <summary>Programs on the node's two hooks, as the kernel says.</summary>
    private static async Task<string> AttachedAsync(LabNode node)
    {
        var links = Directory.Exists(node.Pins()) ? Directory.EnumerateFiles(node.Pins(), "link_*").Concat(Directory.EnumerateFiles(node.Pins(), "filter_*")) : [];
        var filters = await node.RunAsync("sh", "-ec", $"tc filter show dev eth0 ingress; tc filter show dev {Overlay.Device} egress");
        return string.Join('\n', links.Append(filters)).Trim();
    }
}
