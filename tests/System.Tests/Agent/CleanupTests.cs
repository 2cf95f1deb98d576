using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>What <c>accelerated cleanup</c> takes away, and what it leaves.</summary>
public sealed class CleanupTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Liberal = "net.netfilter.nf_conntrack_tcp_be_liberal";

    [Theory]
    [InlineData("bpf")]
    [InlineData("kernel")]
    public async Task Cleanup_AfterTheAgent_LeavesTheHostAsItWas(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Datapath = datapath });
        var node = lab.Node(1);
        var before = await TracesAsync(node);
        await lab.StartAllAsync(cancel: Cancel);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        // A lane that is open needs conntrack to be patient; the driver alone does not.
        Assert.Equal(datapath == "bpf" ? "1" : "0", await SysctlAsync(node));
        await node.StopAgentAsync();
        var running = await TracesAsync(node);
        Assert.NotEqual(before, running);

        var dry = await node.CleanupAsync("--dry-run");
        Assert.Equal(0, dry.ExitCode);
        Assert.Contains("would remove: the device flannel.1\n", dry.Stdout, StringComparison.Ordinal);
        Assert.Equal(running, await TracesAsync(node));

        var done = await node.CleanupAsync();

        Output.WriteLine(done.Stdout);
        Assert.Equal((0, ""), (done.ExitCode, done.Stderr));
        Assert.Equal(dry.Stdout.Replace("would remove", "removed", StringComparison.Ordinal), done.Stdout);
        Assert.Equal(before, await TracesAsync(node));
        Assert.Equal("0", await SysctlAsync(node));
        Assert.Contains("left in etcd until it runs out: /coreos.com/network/subnets/10.5.", done.Stdout, StringComparison.Ordinal);
        Assert.Equal(2, (await lab.Etcd.ListAsync(cancel: Cancel)).Count);
        var again = await node.CleanupAsync();
        Assert.Equal((0, "nothing of this agent is here\n"), (again.ExitCode, again.Stdout));

        // The lease is still there for the node that comes back.
        var subnet = lab.Pod(1, 1).Address;
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        Assert.True(node.Subnet().Subnet.Contains(subnet));
    }

    [Fact]
    public async Task Cleanup_WhileTheAgentRuns_TouchesNothing()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1 });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        var running = await TracesAsync(node);

        var result = await node.CleanupAsync();

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("an agent with --instance=default runs already", result.Stderr, StringComparison.Ordinal);
        Assert.Equal(running, await TracesAsync(node));
    }

    [Fact]
    public async Task Cleanup_OfWhatIsOthers_NamesItAndLeavesIt()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0 });
        var node = lab.Node(1);
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await node.StopAgentAsync();
        await node.RunAsync("ip", "link", "add", "flannel.7", "type", "vxlan", "id", "7", "dev", "eth0", "dstport", "8472");
        await File.WriteAllTextAsync(node.SubnetFile, "DOCKER_OPT_BIP=\"--bip=10.5.60.1/24\"\n", Cancel);

        var result = await node.CleanupAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("left alone: flannel.7 is not known to be of this agent", result.Stdout, StringComparison.Ordinal);
        Assert.True(File.Exists(node.SubnetFile));
        Assert.Equal("flannel.7", Assert.Single(await node.IpAsync("link", "show", "type", "vxlan"))["ifname"]!.ToString());
    }

    [Fact]
    public async Task Cleanup_WithADamagedStateFile_DoesTheRestAndSaysSo()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0 });
        var node = lab.Node(1);
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await node.StopAgentAsync();
        await File.WriteAllTextAsync($"{node.RunDirectory}/state/default.state", "nonsense", Cancel);

        var result = await node.CleanupAsync();

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("not done: the state file cannot be read", result.Stderr, StringComparison.Ordinal);
        Assert.Contains("left alone: flannel.1", result.Stdout, StringComparison.Ordinal);
        Assert.Equal("", await Overlay.RulesAsync(node));
    }

    private static async Task<string> SysctlAsync(LabNode node) => (await node.RunAsync("sysctl", "-n", Liberal)).Trim();

    /// <summary>What the agent could have left: devices, rules, pins and files.</summary>
    private static async Task<string> TracesAsync(LabNode node) => string.Join('\n',
    [
        .. (await node.IpAsync("link", "show", "type", "vxlan")).Select(l => l["ifname"]!.ToString()),
        await Overlay.RulesAsync(node),
        .. Directory.Exists(node.BpfDirectory) ? Directory.EnumerateFileSystemEntries(node.BpfDirectory, "*", SearchOption.AllDirectories) : [],
        // The lab's own: its log, the pid, and folders.
        .. Directory.Exists(node.RunDirectory)
            ? Directory.EnumerateFiles(node.RunDirectory, "*", SearchOption.AllDirectories).Where(f => Path.GetFileName(f) is not ("agent.log" or "agent.pid"))
            : [],
    ]);
}
