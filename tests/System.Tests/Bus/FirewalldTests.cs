using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Bus;

/// <summary>A real firewalld on a host of the lab, asked over the bus to let the overlay through.</summary>
public sealed class FirewalldTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task Overlay_BehindFirewalld_IsLetThroughAlsoAfterAReload_AndOnlyThatIsTakenAway()
    {
        await using var bus = new PrivateBus();
        await bus.StartAsync(Cancel);
        var lab = await UpAsync(new LabSpec { Nodes = 2, PodsPerNode = 1, Datapath = "kernel" });
        // The bus and the firewalld are the first host's alone.
        var one = lab.Node(1);
        one.AgentEnvironment = bus.Environment;
        await lab.StartAllAsync(cancel: Cancel);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);

        await using var firewalld = await StartAsync(bus, one);
        await CtlAsync(bus, one, "--zone=public", "--add-port=9999/udp");
        // What containers' bridges get is the runtime's business: Docker has a zone of its own.
        await CtlAsync(bus, one, "--zone=trusted", "--add-interface=cni0");

        await WaitOpenAsync(bus, one);
        Assert.True((await lab.Pod(1, 1).PingAsync(lab.Pod(2, 1).Address, cancel: Cancel)).Lost == 0, one.LogTail());
        Assert.True((await lab.Pod(2, 1).PingAsync(lab.Pod(1, 1).Address, cancel: Cancel)).Lost == 0, one.LogTail());
        await AgentSocket.WaitAsync(one, "health", s => (string?)s["health"] == "ok");

        await CtlAsync(bus, one, "--reload");
        await WaitOpenAsync(bus, one);

        // Nobody knows the peers yet, so the guard observes; what is open stays so.
        await lab.Etcd.PauseAsync();
        await one.StopAgentAsync();
        one.StartAgent();
        await AgentSocket.WaitAsync(one, "what it knew", s => (bool)s["provisional"]! && (bool)s["ready"]!);
        await bus.WaitAsync("Ready", "true", Cancel);
        await WaitOpenAsync(bus, one);
        Assert.True((await lab.Pod(2, 1).PingAsync(lab.Pod(1, 1).Address, cancel: Cancel)).Lost == 0, one.LogTail());
        await lab.Etcd.ResumeAsync();
        await AgentSocket.WaitAsync(one, "etcd's word", s => !(bool)s["provisional"]!);
        await WaitOpenAsync(bus, one);

        await one.StopAgentAsync();
        (await one.CleanupAsync()).OrThrow();
        Assert.Equal("no", await AskAsync(bus, one, "--zone=public", "--query-port=8472/udp"));
        Assert.Equal("no", await AskAsync(bus, one, "--zone=trusted", "--query-interface=flannel.1"));
        Assert.Empty(Directory.GetFiles($"{one.RunDirectory}/state", "*.firewalld"));
    }

    [Fact]
    public async Task Port_OfTheOperator_StaysWhenTheAgentGoes()
    {
        await using var bus = new PrivateBus();
        await bus.StartAsync(Cancel);
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel", AgentEnvironment = bus.Environment });
        var node = lab.Node(1);
        await using var firewalld = await StartAsync(bus, node);
        await CtlAsync(bus, node, "--zone=public", "--add-port=8472/udp");

        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await WaitOpenAsync(bus, node);
        await node.StopAgentAsync();
        (await node.CleanupAsync()).OrThrow();

        Assert.Equal("yes", await AskAsync(bus, node, "--zone=public", "--query-port=8472/udp"));
        Assert.Equal("no", await AskAsync(bus, node, "--zone=trusted", "--query-interface=flannel.1"));
    }

    [Fact]
    public async Task OpenPort_Declined_LeavesFirewalldsPortsAlone()
    {
        await using var bus = new PrivateBus();
        await bus.StartAsync(Cancel);
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel", AgentEnvironment = bus.Environment, AgentFlags = ["--open-port=false"] });
        var node = lab.Node(1);
        await using var firewalld = await StartAsync(bus, node);

        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await Wait.UntilAsync("the device's zone", async () => await AskAsync(bus, node, "--zone=trusted", "--query-interface=flannel.1") == "yes", explain: node.LogTail, cancel: Cancel);

        Assert.Equal("no", await AskAsync(bus, node, "--zone=public", "--query-port=8472/udp"));
    }

    [Fact]
    public async Task Firewalld_LockedDown_RefusesAndStatusSaysSoUntilItDoesNot()
    {
        await using var bus = new PrivateBus();
        await bus.StartAsync(Cancel);
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel", AgentEnvironment = bus.Environment });
        var node = lab.Node(1);
        // Only programs on this list may change anything then.
        Directory.CreateDirectory($"{node.RunDirectory}/firewalld");
        await File.WriteAllTextAsync($"{node.RunDirectory}/firewalld/lockdown-whitelist.xml", """
            <?xml version="1.0" encoding="utf-8"?>
            <whitelist><command name="/usr/bin/python3 /usr/bin/firewall-cmd*"/></whitelist>
            """, Cancel);
        await using var firewalld = await StartAsync(bus, node);
        await CtlAsync(bus, node, "--lockdown-on");

        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        var status = await AgentSocket.WaitAsync(node, "the problem", s => AgentSocket.Problems(s).Contains("firewalld"));

        Assert.Equal("warning", (string?)status["health"]);
        Assert.Contains("firewall-cmd --add-port=8472/udp", status.ToString(), StringComparison.Ordinal);
        Assert.Equal("no", await AskAsync(bus, node, "--zone=public", "--query-port=8472/udp"));
        await CtlAsync(bus, node, "--lockdown-off");
        await CtlAsync(bus, node, "--reload");
        await WaitOpenAsync(bus, node);
        await AgentSocket.WaitAsync(node, "its end", s => !AgentSocket.Problems(s).Contains("firewalld"));
    }

    private static async Task<BackgroundCommand> StartAsync(PrivateBus bus, LabNode node)
    {
        // The machine's own configuration is not to be read, nor written to.
        var config = Directory.CreateDirectory($"{node.RunDirectory}/firewalld").FullName;
        var daemon = node.Start("env", $"DBUS_SYSTEM_BUS_ADDRESS={bus.Address}", "firewalld", "--nofork", "--nopid", $"--system-config={config}", $"--log-file={config}/log");
        await Wait.UntilAsync(
            "firewalld", async () => (await bus.CtlAsync(Cancel, "call", "org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1", "org.fedoraproject.FirewallD1", "getDefaultZone")).Output.Contains("public", StringComparison.Ordinal),
            explain: () => daemon.Output(), cancel: Cancel);
        return daemon;
    }

    private static Task WaitOpenAsync(PrivateBus bus, LabNode node) => Wait.UntilAsync(
        "the port and the device", async () => await AskAsync(bus, node, "--zone=public", "--query-port=8472/udp") == "yes" && await AskAsync(bus, node, "--zone=trusted", "--query-interface=flannel.1") == "yes",
        explain: node.LogTail, cancel: Cancel);

    private static async Task<string> AskAsync(PrivateBus bus, LabNode node, params string[] arguments) =>
        (await node.ExecAsync(["env", $"DBUS_SYSTEM_BUS_ADDRESS={bus.Address}", "firewall-cmd", .. arguments])).Stdout.Trim();

    private static async Task CtlAsync(PrivateBus bus, LabNode node, params string[] arguments) =>
        (await node.ExecAsync(["env", $"DBUS_SYSTEM_BUS_ADDRESS={bus.Address}", "firewall-cmd", .. arguments])).OrThrow();
}
