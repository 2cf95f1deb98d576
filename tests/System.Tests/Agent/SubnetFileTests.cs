using System.Diagnostics;
using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary><c>subnet.env</c> is there whenever someone reads it, and stays as mk-docker-opts.sh left it.</summary>
public sealed class SubnetFileTests(SubnetFileTests.OneNode shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<SubnetFileTests.OneNode>
{
    private LabNode Node => Lab.Node(1);

    [Fact]
    public async Task SubnetFile_Deleted_ComesBackWithinTheReconcileInterval()
    {
        var before = await File.ReadAllTextAsync(Node.SubnetFile, Cancel);
        var watch = Stopwatch.StartNew();
        File.Delete(Node.SubnetFile);

        await Node.WaitAgentAsync("subnet.env", () => Task.FromResult(File.Exists(Node.SubnetFile)), TimeSpan.FromSeconds(5), Cancel);

        Output.WriteLine($"measured: back after {watch.Elapsed.TotalMilliseconds:0} ms, interval 1 s");
        Assert.Equal(before, await File.ReadAllTextAsync(Node.SubnetFile, Cancel));
    }

    [Fact]
    public async Task SubnetFile_OverwrittenByMkDockerOpts_StaysAndGivesTheSubnetAtTheNextStart()
    {
        var ours = await File.ReadAllTextAsync(Node.SubnetFile, Cancel);
        var gateway = $"{Node.Subnet().Gateway}/24";
        var docker = $"DOCKER_OPT_BIP=\"--bip={gateway}\"\nDOCKER_OPT_IPMASQ=\"--ip-masq=false\"\nDOCKER_OPT_MTU=\"--mtu=1450\"\n";
        await File.WriteAllTextAsync(Node.SubnetFile, docker, Cancel);

        var passes = Passes(await AgentSocket.StatusAsync(Node));
        await AgentSocket.WaitAsync(Node, "two more passes", s => Passes(s) >= passes + 2);
        Assert.Equal(docker, await File.ReadAllTextAsync(Node.SubnetFile, Cancel));

        // With lease and state gone, that file is all there is to know the subnet from.
        await Node.StopAgentAsync();
        await Lab.Etcd.CtlAsync("del", "--prefix", $"{LabEtcd.Prefix}/subnets");
        Directory.Delete($"{Node.RunDirectory}/state", recursive: true);
        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
        Assert.Equal(ours, await File.ReadAllTextAsync(Node.SubnetFile, Cancel));
    }

    // As under a unit with UMask=0077: Docker's user and the CNI plugin read the file all the same.
    [Fact]
    public async Task SubnetFile_UnderAStrictUmask_IsReadableForAll()
    {
        var node = Node;
        await node.StopAgentAsync();
        var folder = $"{node.RunDirectory}/strict";
        using var agent = new WrappedAgent("umask 077");

        await using var running = node.Start(
            agent.Path, "agent", $"--etcd-endpoints={Lab.Layout.EtcdEndpoint}", "--iface=eth0", $"--run-dir={node.RunDirectory}", $"--state-dir={node.RunDirectory}/state",
            $"--bpf-dir={node.BpfDirectory}", $"--subnet-file={folder}/subnet.env");

        await running.WaitAsync("subnet.env", () => File.Exists($"{folder}/subnet.env"), cancel: Cancel);
        Assert.Equal("755 644", $"{Mode(folder)} {Mode($"{folder}/subnet.env")}");
        Assert.Equal(0, await running.StopAsync("TERM"));
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
    }

    private static string Mode(string path) => Convert.ToString((int)File.GetUnixFileMode(path) & 0x1ff, 8);

    private static long Passes(JsonObject status) => (long)status["reconcile"]!["passes"]!;

    /// <summary>One host whose agent looks at everything each second.</summary>
    public sealed class OneNode() : SharedLab(new LabSpec { Nodes = 1, PodsPerNode = 0, AgentFlags = ["--reconcile-interval=1s"] });
}
