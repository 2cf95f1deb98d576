using System.Diagnostics;
using System.Text.Json.Nodes;
using Accelerated.Lab;

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

    private static long Passes(JsonObject status) => (long)status["reconcile"]!["passes"]!;

    /// <summary>One host whose agent looks at everything each second.</summary>
    public sealed class OneNode() : SharedLab(new LabSpec { Nodes = 1, PodsPerNode = 0, AgentFlags = ["--reconcile-interval=1s"] });
}
