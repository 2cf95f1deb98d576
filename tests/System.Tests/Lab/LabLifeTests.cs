using System.Diagnostics;
using System.Runtime.Versioning;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lab;

/// <summary>A lab comes up with real wires and goes down without a trace, however its builder ends.</summary>
[SupportedOSPlatform("linux")]
public sealed class LabLifeTests(ITestOutputHelper output) : LabTest(output)
{
    // The lab itself is tried here, so any program serves as the agent.
    private static readonly LabSpec Bare = new() { AgentBinary = "/bin/true" };

    [Fact]
    public async Task Lab_UpAndDown_LeavesNoTrace()
    {
        var lab = await UpAsync(Bare with { Nodes = 3, PodsPerNode = 2 });
        var name = lab.Spec.Name;
        var traces = await NetworkLab.TracesAsync(name);
        Assert.Equal(3 + (3 * 2) + 2, traces.Count(t => t.StartsWith("namespace ", StringComparison.Ordinal)));
        Assert.Contains(traces, t => t.StartsWith("process ", StringComparison.Ordinal));
        Assert.Contains($"directory /run/accelerated-{name}", traces);

        await lab.DisposeAsync();

        Assert.Empty(await NetworkLab.TracesAsync(name));
    }

    [Fact]
    public async Task Underlay_Switch_JoinsNodesAndEtcd()
    {
        var lab = await UpAsync(Bare with { Nodes = 3 });

        foreach (var target in lab.Nodes.Skip(1).Select(n => n.Address).Append(lab.Layout.EtcdAddress))
            Assert.Equal(0, (await lab.Node(1).PingAsync(target, count: 1, Cancel)).Lost);
        Assert.Equal("192.0.2.2", lab.Node(2).Address.ToString());
        Assert.Equal("http://192.0.2.250:2379", lab.Layout.EtcdEndpoint);
        var eth0 = Assert.Single(await lab.Node(2).IpAsync("address", "show", "dev", "eth0"));
        Assert.Equal("02:00:c0:00:02:02", (string?)eth0["address"]);
        Assert.Equal(1500, (int?)eth0["mtu"]);
        Assert.Equal("1", (await lab.Node(2).RunAsync("cat", "/proc/sys/net/ipv4/ip_forward")).Trim());
        Assert.Equal(LabSpec.DefaultConfig, Assert.Single(await lab.Etcd.ListAsync(LabEtcd.Prefix, Cancel)).Value);
    }

    [Fact]
    public async Task Underlay_Direct_JoinsTwoNodesByOneVeth()
    {
        var lab = await UpAsync(Bare with { Link = LabLink.Direct });

        Assert.Equal(0, (await lab.Node(1).PingAsync(lab.Node(2).Address, count: 1, Cancel)).Lost);
        Assert.Equal(0, (await lab.Node(2).PingAsync(lab.Layout.EtcdAddress, count: 1, Cancel)).Lost);
        // With the only path over the switch cut, the cable between the nodes still carries.
        await lab.Node(1).RunAsync("ip", "link", "set", "eth1", "down");
        Assert.Equal(0, (await lab.Node(1).PingAsync(lab.Node(2).Address, count: 1, Cancel)).Lost);
    }

    [Fact]
    public async Task Pods_SubnetFileThere_HangOnTheBridge()
    {
        var lab = await UpAsync(Bare with { Nodes = 1, PodsPerNode = 2 });
        const string env = "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
        await File.WriteAllTextAsync(lab.Node(1).SubnetFile, env, Cancel);

        await lab.Node(1).AttachPodsAsync(Cancel);
        await lab.Node(1).AttachPodsAsync(Cancel); // and again, as after a change of subnet

        Assert.Equal("10.5.72.3", lab.Pod(1, 2).Address.ToString());
        Assert.Equal(0, (await lab.Pod(1, 1).PingAsync(lab.Pod(1, 2).Address, count: 1, Cancel)).Lost);
        Assert.Equal(0, (await lab.Pod(1, 1).PingAsync(lab.Node(1).Address, count: 1, Cancel)).Lost);
        var bridge = Assert.Single(await lab.Node(1).IpAsync("address", "show", "dev", "cni0"));
        Assert.Equal(1450, (int?)bridge["mtu"]);
    }

    [Fact]
    public async Task Labs_SideBySide_DoNotTouchEachOther()
    {
        var first = await UpAsync(Bare);
        var second = await UpAsync(Bare with { Config = """{"Network":"10.6.0.0/16"}""" });

        await first.DisposeAsync();

        Assert.Equal(0, (await second.Node(1).PingAsync(second.Node(2).Address, count: 1, Cancel)).Lost);
        Assert.Equal("""{"Network":"10.6.0.0/16"}""", Assert.Single(await second.Etcd.ListAsync(LabEtcd.Prefix, Cancel)).Value);
    }

    [Fact]
    public async Task Lab_NameInUse_IsRefused()
    {
        var lab = await UpAsync(Bare with { Nodes = 1 });

        var refused = await Assert.ThrowsAsync<LabException>(() => NetworkLab.UpAsync(Bare with { Name = lab.Spec.Name }, Cancel));

        Assert.Contains("LAB=", refused.Message);
        Assert.Equal(0, (await lab.Node(1).PingAsync(lab.Layout.EtcdAddress, count: 1, Cancel)).Lost);
    }

    [Fact]
    public async Task Up_WhatAnEarlierLabLeft_IsRemovedFirst()
    {
        var lab = await UpAsync(Bare with { Nodes = 2 });
        lab.LeaveRunning();
        await lab.DisposeAsync();

        await using var next = await NetworkLab.UpAsync(Bare with { Name = lab.Spec.Name, Nodes = 1 }, Cancel);

        Assert.True(next.RemovedAnEarlierOne);
        Assert.Equal(3, (await NetworkLab.TracesAsync(lab.Spec.Name)).Count(t => t.Contains("namespace")) - next.Nodes[0].Pods.Count);
    }

    [Fact]
    public async Task Etcd_KilledAndStarted_KeepsItsKeys()
    {
        var lab = await UpAsync(Bare with { Nodes = 1, PodsPerNode = 0 });

        await lab.Etcd.StopAsync("KILL");
        Assert.False(lab.Etcd.IsRunning);
        await lab.Etcd.StartAsync(Cancel);

        Assert.Equal(LabSpec.DefaultConfig, Assert.Single(await lab.Etcd.ListAsync(LabEtcd.Prefix, Cancel)).Value);
    }

    [Fact]
    public async Task Agent_ExitsAtOnce_WaitingSaysSoAndShowsItsLog()
    {
        var lab = await UpAsync(Bare with { Nodes = 1, PodsPerNode = 0, AgentBinary = "/bin/ls" });

        lab.Node(1).StartAgent();
        var error = await Assert.ThrowsAsync<LabException>(() => lab.Node(1).WaitReadyAsync(cancel: Cancel));

        Assert.Contains("has exited with", error.Message);
        Assert.Contains("unrecognized option", error.Message);
        Assert.Contains(lab.Node(1).LogFile, error.Message);
    }

    [Fact]
    public async Task Ping_TargetGoesAwayAndReturns_CountsTheLosses()
    {
        var lab = await UpAsync(Bare with { PodsPerNode = 0 });
        await using var ping = lab.Node(1).StartPing(lab.Node(2).Address);
        await ping.WaitAnswersAsync(5, cancel: Cancel);

        await lab.Switch.RunAsync("ip", "link", "set", "node2", "down");
        // Some time has to pass with the wire cut: as long as another ping takes to give up.
        Assert.Equal(2, (await lab.Node(1).PingAsync(lab.Node(2).Address, count: 2, Cancel)).Lost);
        await lab.Switch.RunAsync("ip", "link", "set", "node2", "up");
        await ping.WaitAnswersAsync(5, cancel: Cancel);
        var result = await ping.StopAsync();

        Assert.InRange(result.Lost, 1, result.Sent - 10);
        Assert.Equal(result.Sent - result.Lost, result.Received);
        Assert.True(result.LongestGap > TimeSpan.FromMilliseconds(200), $"{result}");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    [InlineData(60)]
    [InlineData(150)]
    [InlineData(300)]
    [InlineData(500)]
    public async Task Down_AfterKillInTheMiddleOfUp_RemovesEverything(int milliseconds)
    {
        var name = NewLabName();
        using var console = StartConsole("up", "--lab", name, "--nodes", "5", "--pods", "2", "--agent", "/bin/true");
        try
        {
            // "In the middle" is a time, counted from the first thing it leaves on the machine. Where exactly the kill
            // falls does not matter: whatever is there has to go.
            await Wait.UntilAsync("the first trace of the lab", async () => (await NetworkLab.TracesAsync(name)).Count > 0 || console.HasExited, cancel: Cancel);
            var watch = Stopwatch.StartNew();
            await Wait.UntilAsync("the moment to kill", () => watch.ElapsedMilliseconds >= milliseconds || console.HasExited, cancel: Cancel);
        }
        finally
        {
            console.Kill();
            await console.WaitForExitAsync(Cancel);
        }

        await NetworkLab.DownAsync(name);

        Assert.Empty(await NetworkLab.TracesAsync(name));
    }

    [Fact]
    public async Task Down_HalfMadeNamespaceForeignMountAndStrayProcesses_RemovesThem()
    {
        var lab = await UpAsync(Bare with { Nodes = 1 });
        var name = lab.Spec.Name;
        // A killed 'ip netns add' leaves a name without a mount; a data directory can hold a mount; a shell can sit in a namespace.
        await File.WriteAllTextAsync($"/run/netns/{name}-node7", "", Cancel);
        await lab.Node(1).RunAsync("mount", "-t", "tmpfs", "lab-test", lab.Node(1).RunDirectory);
        using var stray = Process.Start(new ProcessStartInfo("nsenter") { ArgumentList = { $"--net=/run/netns/{name}-pod1-1", "sleep", "1000" } })!;
        // And a command of a killed 'up' can be on its way into a namespace that is not there yet.
        using var late = Process.Start(new ProcessStartInfo("sleep", "1000") { Environment = { ["ACCELERATED_LAB_OWNER"] = name } })!;
        string[] strays = [$"process {stray.Id}", $"process {late.Id}"];
        await Wait.UntilAsync("the stray processes", async () => !strays.Except(await NetworkLab.TracesAsync(name)).Any(), cancel: Cancel);
        Assert.Contains($"mount {lab.Node(1).RunDirectory}", await NetworkLab.TracesAsync(name));

        await lab.DisposeAsync();

        await stray.WaitForExitAsync(Cancel);
        await late.WaitForExitAsync(Cancel);
        Assert.Empty(await NetworkLab.TracesAsync(name));
    }

    [Fact]
    public async Task Demo_InterruptedByCtrlC_TakesTheLabDown()
    {
        var name = NewLabName();
        // An agent that never becomes ready: the demo is certainly waiting when the signal comes.
        var idle = Path.Combine(Path.GetTempPath(), $"{name}-idle.sh");
        await File.WriteAllTextAsync(idle, "#!/bin/sh\nexec sleep 1000\n", Cancel);
        File.SetUnixFileMode(idle, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var console = StartConsole("demo", "--lab", name, "--agent", idle);
        await Wait.UntilAsync("the agent's log", () => File.Exists($"/run/accelerated-{name}/node2/agent.pid") || console.HasExited, cancel: Cancel);

        using var signal = Process.Start("sh", ["-c", $"kill -INT {console.Id}"]);
        await console.WaitForExitAsync(Cancel);
        File.Delete(idle);

        Assert.Equal(130, console.ExitCode);
        Assert.Empty(await NetworkLab.TracesAsync(name));
    }

    private static Process StartConsole(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "accelerated-lab.dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
