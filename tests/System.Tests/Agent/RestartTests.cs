using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>An agent that ends, however it ends, and starts again disturbs neither packets nor peers.</summary>
public sealed class RestartTests(RestartTests.TwoNodes shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<RestartTests.TwoNodes>
{
    private const int Rounds = 5;
    private static readonly TimeSpan PingInterval = TimeSpan.FromMilliseconds(5);

    private LabNode Node => Lab.Node(1);

    [Fact]
    public async Task Agent_KilledAndStartedUnderTraffic_LosesNoPacket()
    {
        var (before, rules) = (await Overlay.OfKernelAsync(Node), await Overlay.RulesAsync(Node));
        await using var ping = Lab.Pod(1, 1).StartPing(Lab.Pod(2, 1).Address, PingInterval);
        await using var back = Lab.Pod(2, 1).StartPing(Lab.Pod(1, 1).Address, PingInterval);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        for (var round = 0; round < Rounds; round++)
        {
            await Node.KillAgentAsync();
            await ping.WaitAnswersAsync(10, cancel: Cancel);
            Node.StartAgent();
            await Node.WaitReadyAsync(cancel: Cancel);
            await ping.WaitAnswersAsync(10, cancel: Cancel);
        }

        foreach (var result in (PingResult[])[await ping.StopAsync(), await back.StopAsync()])
        {
            Output.WriteLine($"measured: {Rounds} × kill -9 under ping every {PingInterval.TotalMilliseconds} ms: {result}");
            Assert.Equal(0, result.Lost);
        }
        // Until etcd has confirmed what the last run left, the guard only observes.
        await Node.WaitAgentAsync("the rules of before", async () => await Overlay.RulesAsync(Node) == rules, cancel: Cancel);
        Assert.Equal(before, await Overlay.OfKernelAsync(Node));
    }

    [Fact]
    public async Task Agent_StoppedAMomentAfterAPeerCame_KeepsItForTheNextStart()
    {
        // Two in a row: what came a moment after something was kept waits for its turn.
        foreach (var (node, last) in ((string, int)[])[("10.5.253.0/24", 53), ("10.5.254.0/24", 54)])
        {
            await Lab.Etcd.CtlAsync("put", $"{LabEtcd.Prefix}/subnets/{node.Replace('/', '-')}",
                $$$"""{"PublicIP":"192.0.2.{{{last}}}","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:{{{last}}}"}}""");
            await Node.WaitRoutesAsync([global::System.Net.IPNetwork.Parse(node)], cancel: Cancel);
        }

        await Node.StopAgentAsync();

        var kept = await File.ReadAllTextAsync($"{Node.RunDirectory}/state/default.state", Cancel);
        foreach (var node in (string[])["10.5.253.0-24", "10.5.254.0-24"])
        {
            Assert.Contains(node, kept, StringComparison.Ordinal);
            await Lab.Etcd.CtlAsync("del", $"{LabEtcd.Prefix}/subnets/{node}");
        }

        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
    }

    [Fact]
    public async Task Agent_Sigterm_ExitsWithZeroAndLeavesEverything()
    {
        var (overlay, rules, keys) = (await Overlay.OfKernelAsync(Node), await Overlay.RulesAsync(Node), await Lab.Etcd.ListAsync(cancel: Cancel));
        var env = await File.ReadAllTextAsync(Node.SubnetFile, Cancel);
        var watch = Stopwatch.StartNew();

        var exitCode = await Node.StopAgentAsync();

        Output.WriteLine($"measured: exit {watch.Elapsed.TotalMilliseconds:0} ms after SIGTERM");
        Assert.Equal(0, exitCode);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.Equal((overlay, rules), (await Overlay.OfKernelAsync(Node), await Overlay.RulesAsync(Node)));
        Assert.Equal(keys, await Lab.Etcd.ListAsync(cancel: Cancel));
        Assert.Equal(env, await File.ReadAllTextAsync(Node.SubnetFile, Cancel));
        await Overlay.PingAsync([(Lab.Pod(1, 1), Lab.Pod(2, 1))]);
        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
    }

    // Ctrl+C in a terminal, and what some supervisors send.
    [Fact]
    public async Task Agent_Sigint_ExitsWithZeroAndLeavesEverything()
    {
        var (overlay, keys) = (await Overlay.OfKernelAsync(Node), await Lab.Etcd.ListAsync(cancel: Cancel));

        await Node.RunAsync("kill", "-INT", Node.AgentProcessId.ToString(CultureInfo.InvariantCulture));

        Assert.Equal(0, await Node.WaitAgentExitAsync(cancel: Cancel));
        Assert.Equal(overlay, await Overlay.OfKernelAsync(Node));
        Assert.Equal(keys, await Lab.Etcd.ListAsync(cancel: Cancel));
        Assert.True(File.Exists(Node.SubnetFile));
        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
    }

    [Fact]
    public async Task Agent_StartedAgain_WritesNothingToEtcdAndChangesNothingInTheKernel()
    {
        var (revision, ifindex) = (await RevisionAsync(), await IfIndexAsync());
        await Node.StopAgentAsync();
        await using var kernel = await MonitorAsync("ip", "-d", "monitor", "link", "address", "route", "neigh");
        await using var fdb = await MonitorAsync("bridge", "monitor", "fdb");

        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);

        await ProbeAsync(kernel, fdb);
        Assert.DoesNotContain(Overlay.Device, kernel.Output(), StringComparison.Ordinal);
        Assert.DoesNotContain(Overlay.Device, fdb.Output(), StringComparison.Ordinal);
        Assert.DoesNotContain(Lab.Node(2).Subnet().Subnet.BaseAddress.ToString(), kernel.Output(), StringComparison.Ordinal);
        Assert.Equal(revision, await RevisionAsync());
        Assert.Equal(ifindex, await IfIndexAsync());
        Assert.Equal(0, (int)(await AgentSocket.StatusAsync(Node))["reconcile"]!["repairs"]!);
    }

    private async Task<BackgroundCommand> MonitorAsync(params string[] command)
    {
        var monitor = Node.Start(command);
        await ProbeAsync(monitor);
        return monitor;
    }

    /// <summary>Does something to eth0 until the monitors have told of it: from then on, and up to then, they missed nothing.</summary>
    private async Task ProbeAsync(params BackgroundCommand[] monitors)
    {
        var seen = monitors.ToDictionary(m => m, m => m.Output().Length);
        await Wait.UntilAsync("the monitors", async () =>
        {
            await Node.RunAsync("sh", "-ec", """
                ip neighbour replace 192.0.2.98 lladdr 02:00:00:00:00:98 dev eth0 nud permanent; ip neighbour del 192.0.2.98 dev eth0
                bridge fdb replace 02:00:00:00:00:98 dev veth1 master static; bridge fdb del 02:00:00:00:00:98 dev veth1 master
                """);
            return seen.All(s => s.Key.Output()[s.Value..].Contains("02:00:00:00:00:98", StringComparison.Ordinal));
        }, cancel: Cancel);
    }

    /// <summary>etcd's revision, which every write to any key raises.</summary>
    private async Task<long> RevisionAsync() =>
        (long)JsonNode.Parse(await Lab.Etcd.CtlAsync("get", "nothing", "-w", "json"))!["header"]!["revision"]!;

    private async Task<int> IfIndexAsync() => (int)(await Node.IpAsync("link", "show", "dev", Overlay.Device))[0]["ifindex"]!;

    /// <summary>Two hosts with a container each.</summary>
    public sealed class TwoNodes() : SharedLab(new LabSpec())
    {
        /// <inheritdoc/>
        protected override async Task PrepareAsync(NetworkLab lab)
        {
            await base.PrepareAsync(lab);
            await lab.Node(1).WaitLinkLocalAsync(TestContext.Current.CancellationToken);
        }
    }
}
