using System.Diagnostics;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Many nodes take a subnet at the same moment from a network that has hardly more.</summary>
public sealed class CrowdTests(ITestOutputHelper output) : LabTest(output)
{
    private const int Nodes = 20;
    private const int Subnets = 24;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task TwentyNodes_AtOnceOnTwentyFourSubnets_GetDifferentOnes()
    {
        var config = $$$"""{"Network":"10.5.0.0/16","SubnetMin":"10.5.1.0","SubnetMax":"10.5.{{{Subnets}}}.0","Backend":{"Type":"vxlan"}}""";
        var lab = await UpAsync(new LabSpec { Nodes = Nodes, PodsPerNode = 0, Config = config });
        var watch = Stopwatch.StartNew();
        // etcd hangs until all have asked, so that all go on at once.
        await lab.Etcd.PauseAsync();
        foreach (var node in lab.Nodes)
            node.StartAgent();
        await lab.EachNodeAsync((node, _) => new ValueTask(node.WaitFileAsync(AgentSocket.PathOf(node), Limit)), Cancel);
        await lab.Etcd.ResumeAsync();
        await lab.EachNodeAsync((node, _) => new ValueTask(node.WaitFileAsync(node.SubnetFile, Limit)), Cancel);

        var keys = await lab.Etcd.ListAsync(cancel: Cancel);
        var races = await EtcdMetrics.ReadAsync(lab.Etcd, EtcdMetrics.Granted) - Nodes;
        Output.WriteLine($"measured: {Nodes} nodes on {Subnets} subnets in {watch.Elapsed.TotalSeconds:0.0} s, {races} lost races");
        Assert.Equal(Nodes, keys.Count);
        Assert.Equal(Nodes, lab.Nodes.Select(n => keys.KeyOf(n).Key).Distinct().Count());
        Assert.All(lab.Nodes, n => Assert.Equal(LabSteps.KeyName($"{n.Subnet().Subnet}"), keys.KeyOf(n).Key));
        Assert.True(races > 0, "no race was lost, so this tested nothing");
        // What lost a race was given back, or 24 hours would pass until etcd forgets it.
        Assert.Contains($"found {Nodes} leases", await lab.Etcd.CtlAsync("lease", "list"), StringComparison.Ordinal);
        await Overlay.WaitAllAsync(lab.Nodes, keys);
    }
}
