using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Bus;

/// <summary>A machine that wakes up. No machine here can sleep, so what logind says then is said by a program that has its name on the bus.</summary>
public sealed class SleepTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Logind = """
        import dbus, dbus.lowlevel, sys
        bus = dbus.bus.BusConnection(sys.argv[1])
        bus.request_name("org.freedesktop.login1")
        for sleeping in (True, False):
            signal = dbus.lowlevel.SignalMessage("/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep")
            signal.append(dbus.Boolean(sleeping))
            bus.send_message(signal)
        bus.flush()
        """;

    [Fact]
    public async Task Machine_WakesUp_EverythingIsLookedAtAgain()
    {
        await using var bus = new PrivateBus();
        await bus.StartAsync(Cancel);
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel", AgentEnvironment = bus.Environment, AgentFlags = ["--reconcile-interval=1h"] });
        var node = lab.Node(1);
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await bus.WaitAsync("Ready", "true", Cancel);
        File.Delete(node.SubnetFile);

        await node.RunAsync("/usr/bin/python3", "-c", Logind, bus.Address);

        await Wait.UntilAsync("word of it", () => Task.FromResult(LogFiles.Read(node.LogFile).Contains("the machine has slept", StringComparison.Ordinal)), explain: node.LogTail, cancel: Cancel);
        await Wait.UntilAsync("subnet.env", () => Task.FromResult(File.Exists(node.SubnetFile)), explain: node.LogTail, cancel: Cancel);
        Assert.Single(LogFiles.Read(node.LogFile).Split('\n'), l => l.Contains("the machine has slept", StringComparison.Ordinal));
    }
}
