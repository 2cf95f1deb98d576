using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>An agent and a flanneld of one network do not run side by side.</summary>
public sealed class FlanneldTests(FlanneldTests.OneNode shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<FlanneldTests.OneNode>
{
    private LabNode Node => Lab.Node(1);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (Node.AgentIsRunning)
            await Node.KillAgentAsync();
        await Node.CleanupAsync();
        await Lab.Etcd.CtlAsync("del", "--prefix", $"{LabEtcd.Prefix}/subnets");
        File.Delete(Node.LogFile);
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData("", "", "the same network (--etcd-prefix=/coreos.com/network)")]
    [InlineData("-etcd-prefix=/coreos.com/network/", "", "the same network")]
    [InlineData("--etcd-prefix=/other -etcd-prefix /coreos.com/network", "", "the same network")]
    [InlineData("", "FLANNELD_ETCD_PREFIX=/coreos.com/network", "the same network")]
    [InlineData("-etcd-prefix=/other --kube-subnet-mgr", "", "a network from Kubernetes")]
    [InlineData("", "FLANNELD_KUBE_SUBNET_MGR=true", "a network from Kubernetes")]
    public async Task Agent_BesideAFlanneldOfItsNetwork_ExitsWithOneAndNamesIt(string flags, string environment, string which)
    {
        await using var daemon = await FlannelDaemon.StartAsync(Lab, Node, environment, ["-etcd-endpoints=http://192.0.2.250:2379", .. flags.Split(' ')]);

        Node.StartAgent();
        var code = await Node.WaitAgentExitAsync(cancel: Cancel);

        var line = LogFiles.Read(Node.LogFile).TrimEnd();
        Output.WriteLine(line);
        Assert.Equal(1, code);
        Assert.DoesNotContain('\n', line);
        Assert.Contains($"process {daemon.ProcessId}: {Lab.Layout.RunDirectory}/flanneld", line, StringComparison.Ordinal);
        Assert.Contains(which, line, StringComparison.Ordinal);
        Assert.Contains(which.Contains("Kubernetes", StringComparison.Ordinal) ? "DaemonSet" : "systemctl disable --now flanneld", line, StringComparison.Ordinal);
        Assert.Equal("", await Overlay.OfKernelAsync(Node));
        Assert.Equal("", await Overlay.RulesAsync(Node));
        Assert.Empty(await Lab.Etcd.ListAsync(cancel: Cancel));

        // The remedy.
        await daemon.StopAsync("TERM");
        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
    }

    [Theory]
    [InlineData("-etcd-prefix=/other", "")]
    [InlineData("--etcd-prefix /other", "")]
    [InlineData("", "FLANNELD_ETCD_PREFIX=/other")]
    [InlineData("-etcd-prefix=/other", "FLANNELD_ETCD_PREFIX=/coreos.com/network")]
    [InlineData("-etcd-prefix=/other -kube-subnet-mgr=false", "")]
    public async Task Agent_BesideAFlanneldOfAnotherNetwork_Starts(string flags, string environment)
    {
        await using var daemon = await FlannelDaemon.StartAsync(Lab, Node, environment, flags.Split(' '));

        Node.StartAgent();

        await Node.WaitReadyAsync(cancel: Cancel);
    }

    [Fact]
    public async Task Agent_WithAFlanneldInAnotherNetworkNamespace_Starts()
    {
        await using var daemon = await FlannelDaemon.StartAsync(Lab, Lab.Switch, "", "-etcd-endpoints=http://192.0.2.250:2379");

        Node.StartAgent();

        await Node.WaitReadyAsync(cancel: Cancel);
    }

    [Fact]
    public async Task Agent_WhenAFlanneldIsStartedLater_SaysSoUntilItIsGone()
    {
        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
        await using var daemon = await FlannelDaemon.StartAsync(Lab, Node, "", "--ip-masq");

        var status = await AgentSocket.WaitAsync(Node, "the problem", s => AgentSocket.Problems(s).Contains("flanneld"));

        Assert.Equal("critical", (string?)status["health"]);
        Assert.Contains($"process {daemon.ProcessId}", (string?)status["summary"], StringComparison.Ordinal);
        await daemon.StopAsync("TERM");
        await AgentSocket.WaitAsync(Node, "health", s => (string?)s["health"] == "ok");
    }

    /// <summary>One host; each test starts its agent.</summary>
    public sealed class OneNode() : SharedLab(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel" })
    {
        /// <inheritdoc/>
        protected override Task PrepareAsync(NetworkLab lab) => Task.CompletedTask;
    }
}
