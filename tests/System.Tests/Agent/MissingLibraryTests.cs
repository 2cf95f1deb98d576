using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Native libraries are loaded when they are needed: what needs none works without.</summary>
public sealed class MissingLibraryTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task Agent_WithoutLibnftables_RoutesAndNamesThePackage()
    {
        using var agent = WrappedAgent.WithoutLibrary("libnftables");
        var lab = await UpAsync(new LabSpec { Nodes = 2, AgentBinary = agent.Path });
        await lab.EachNodeAsync((node, _) => { node.StartAgent(); return ValueTask.CompletedTask; }, Cancel);
        foreach (var node in lab.Nodes)
        {
            await node.WaitFileAsync(node.SubnetFile);
            await node.AttachPodsAsync(Cancel);
        }

        await Wait.UntilAsync("both keys", async () => (await lab.Etcd.ListAsync(cancel: Cancel)).Count == 2, cancel: Cancel);
        await Overlay.WaitAllAsync(lab.Nodes, await lab.Etcd.ListAsync(cancel: Cancel));
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        var status = await AgentSocket.WaitAsync(lab.Node(1), "the firewall's problem", s => AgentSocket.Problems(s).Contains("firewall"));
        Assert.Equal("degraded", (string?)status["health"]);
        Assert.Contains("libnftables1", status["problems"]!.ToJsonString(), StringComparison.Ordinal);
        var shown = await lab.Node(1).ShowStatusAsync(Cancel);
        Assert.Equal(1, shown.ExitCode);
        Assert.Contains("libnftables1", shown.Stdout, StringComparison.Ordinal);
        Assert.Equal("", await Overlay.RulesAsync(lab.Node(1)));
    }
}
