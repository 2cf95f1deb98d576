using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Bus;

/// <summary>The agent as busctl sees it, on a real dbus-daemon.</summary>
public sealed class AgentObjectTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Name = "org.accelerated.Agent1";
    private const string Path = "/org/accelerated/Agent1/default";

    [Fact]
    public async Task Properties_OfARunningAgent_AreItsStatusAndTellWhenTheyChange()
    {
        await using var bus = new PrivateBus();
        await bus.StartAsync(Cancel);
        var lab = await UpAsync(new LabSpec { Nodes = 2, PodsPerNode = 0, Datapath = "kernel", AgentEnvironment = bus.Environment });
        var (one, two) = (lab.Node(1), lab.Node(2));
        one.StartAgent();
        await one.WaitReadyAsync(cancel: Cancel);
        await bus.WaitAsync("Ready", "true", Cancel);

        var (code, introspected) = await bus.CtlAsync(Cancel, "introspect", Name, Path);
        Assert.Equal(0, code);
        Assert.Matches(@"\.Reconcile +method", introspected);
        Assert.Equal(one.Subnet().Subnet.ToString(), (string?)await bus.PropertyAsync("Subnet", Cancel));
        Assert.Equal("kernel", (string?)await bus.PropertyAsync("Datapath", Cancel));
        Assert.Contains("--datapath=kernel", (string?)await bus.PropertyAsync("DatapathReason", Cancel), StringComparison.Ordinal);
        Assert.Equal("true", (await bus.PropertyAsync("EtcdConnected", Cancel))?.ToJsonString());
        Assert.Equal("0", (await bus.PropertyAsync("Peers", Cancel))?.ToJsonString());

        // The second node's agent is another one with the same name on this bus: it says so and works.
        await using var monitor = one.Start("busctl", $"--address={bus.Address}", "--json=short", "monitor", Name);
        await monitor.WaitAsync("the monitor", () => monitor.Output().Length > 0, cancel: Cancel);
        two.StartAgent();
        await two.WaitReadyAsync(cancel: Cancel);
        await bus.WaitAsync("Peers", "1", Cancel);
        await monitor.WaitAsync("PropertiesChanged", () => monitor.Output().Contains("PropertiesChanged", StringComparison.Ordinal) && monitor.Output().Contains("Peers", StringComparison.Ordinal), cancel: Cancel);
        Assert.Contains($"this agent is not on the system bus as {Name}", LogFiles.Read(two.LogFile), StringComparison.Ordinal);

        await lab.Etcd.PauseAsync();
        await bus.WaitAsync("EtcdConnected", "false", Cancel);
        await lab.Etcd.ResumeAsync();
        await bus.WaitAsync("EtcdConnected", "true", Cancel);
    }

    [Fact]
    public async Task Reconcile_Called_IsAnsweredWhenAPassWasMade()
    {
        await using var bus = new PrivateBus();
        await bus.StartAsync(Cancel);
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel", AgentEnvironment = bus.Environment, AgentFlags = ["--reconcile-interval=1h"] });
        var node = lab.Node(1);
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await bus.WaitAsync("Ready", "true", Cancel);
        File.Delete(node.SubnetFile);

        var (code, said) = await bus.CtlAsync(Cancel, "call", Name, Path, Name, "Reconcile");

        Assert.True(code == 0, said);
        Assert.True(File.Exists(node.SubnetFile), "it was answered before the pass was done");
        Assert.NotEqual(0, (await bus.CtlAsync(Cancel, "call", Name, Path, Name, "Destroy")).Code);
        Assert.NotEqual(0, (await bus.CtlAsync(Cancel, "get-property", Name, Path, Name, "Password")).Code);
    }

    [Fact]
    public async Task Bus_GoneAndBack_OrNotThereAtAll_IsNoMatterToTheAgent()
    {
        await using var bus = new PrivateBus();
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel", AgentEnvironment = bus.Environment });
        var node = lab.Node(1);
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);

        await bus.StartAsync(Cancel);
        await bus.WaitAsync("Ready", "true", Cancel);
        await bus.StopAsync();
        await bus.StartAsync(Cancel);
        await bus.WaitAsync("Ready", "true", Cancel);

        Assert.True(node.AgentIsRunning);
        Assert.Equal("ok", (string?)(await AgentSocket.StatusAsync(node))["health"]);
        Assert.DoesNotContain(LogFiles.Read(node.LogFile).Split('\n'), l => l.Contains(" warn ", StringComparison.Ordinal) || l.Contains(" error ", StringComparison.Ordinal));
        Assert.Equal(0, await node.StopAgentAsync());
    }
}
