using System.Diagnostics;
using Accelerated.Agent.Systemd;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Systemd;

/// <summary>The service under systemd: what it says of itself, and what happens when it dies, hangs or is told to do something.</summary>
public sealed class ServiceTests(Machines machines, ITestOutputHelper output) : MachineTest(machines, output)
{
    // More than a start with the lanes takes on a machine that others keep busy.
    private const int WatchdogSeconds = 8;

    [Fact]
    public async Task Service_Started_IsReadyAndSaysHowItIs()
    {
        await WaitReadyAsync(One);

        Assert.Equal("enabled", (await One.RunAsync("systemctl", "is-enabled", Unit)).Trim());
        await One.WaitAsync("all peers in the status line", async () => (await One.ShowAsync(Unit, "StatusText")).Contains("2 of 2 peers", StringComparison.Ordinal), cancel: Cancel);
        var text = await One.ShowAsync(Unit, "StatusText");
        Assert.Matches($@"^ok: 10\.5\.\d+\.0/24 on host0 \({One.Address}\), eBPF lanes, 2 of 2 peers, etcd connected$", text);
        Assert.True(await One.PingAsync(Machines.Far));
    }

    [Fact]
    public async Task StatusLine_EtcdGoesAndComes_FollowsIt()
    {
        await Machines.Lab.Etcd.StopAsync("KILL");
        await One.WaitAsync("word of it", async () => (await One.ShowAsync(Unit, "StatusText")).Contains("etcd not connected", StringComparison.Ordinal), cancel: Cancel);
        Assert.Equal("active", await One.ShowAsync(Unit, "ActiveState"));

        await Machines.Lab.Etcd.StartAsync(Cancel);
        await One.WaitAsync("word of it", async () => (await One.ShowAsync(Unit, "StatusText")).EndsWith("etcd connected", StringComparison.Ordinal)
            && (await One.ShowAsync(Unit, "StatusText")).StartsWith("ok: ", StringComparison.Ordinal), cancel: Cancel);
    }

    [Fact]
    public async Task Service_Killed_IsStartedAgainAndNoPacketIsLost()
    {
        var (restarts, process) = (await RestartsAsync(One), await ProcessAsync(One));
        await using var ping = One.StartPing(Machines.Far);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        var watch = Stopwatch.StartNew();

        await One.RunAsync("systemctl", "kill", "--signal=KILL", Unit);

        await One.WaitAsync("another process", async () => await RestartsAsync(One) > restarts && await One.ShowAsync(Unit, "ActiveState") == "active", cancel: Cancel);
        Output.WriteLine($"measured: ready again {watch.Elapsed.TotalSeconds:0.0} s after kill -9");
        await WaitReadyAsync(One);
        Assert.NotEqual(process, await ProcessAsync(One));
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    [Fact]
    public async Task Service_Hangs_TheWatchdogStartsItAgain()
    {
        await using var quick = await Machines.WithAsync(One, $"[Service]\nWatchdogSec={WatchdogSeconds}s");
        await WaitReadyAsync(One);
        var restarts = await RestartsAsync(One);
        await using var ping = One.StartPing(Machines.Far);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        var watch = Stopwatch.StartNew();

        await One.RunAsync("systemctl", "kill", "--signal=STOP", "--kill-who=main", Unit);

        await One.WaitAsync("another process", async () => await RestartsAsync(One) > restarts && await One.ShowAsync(Unit, "ActiveState") == "active", cancel: Cancel);
        Output.WriteLine($"measured: ready again {watch.Elapsed.TotalSeconds:0.0} s after it hung, with WatchdogSec={WatchdogSeconds}");
        Assert.Contains(await One.JournalAsync("-u", Unit, "-n", "200"), e => ((string?)e["MESSAGE"])?.Contains("Watchdog timeout", StringComparison.Ordinal) == true);
        await WaitReadyAsync(One);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    /// <summary>
    /// Where the loop keeps what it knows there is a pipe that nobody reads: it waits for ever, and the rest of the agent is well.
    /// </summary>
    [Fact]
    public async Task Loop_HangsWhileTheRestLives_TheWatchdogStartsTheServiceAgain()
    {
        const string peer = "10.5.251.0-24";
        await using var quick = await Machines.WithAsync(One, $"[Service]\nWatchdogSec={WatchdogSeconds}s");
        await WaitReadyAsync(One);
        var (restarts, process) = (await RestartsAsync(One), await ProcessAsync(One));
        await One.RunAsync("mkfifo", $"/var/lib/accelerated/default.state.{process}.tmp");
        try
        {
            await Machines.Lab.Etcd.CtlAsync(
                "put", $"{LabEtcd.Prefix}/subnets/{peer}", """{"PublicIP":"192.0.2.98","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:62"}}""");
            await One.WaitAsync("an answer of an agent whose loop hangs", async () =>
                (await One.RunAsync("ip", "route", "show", "10.5.251.0/24")).Length > 0 && await One.StatusAsync() is not null, cancel: Cancel);

            await One.WaitAsync("another process", async () => await RestartsAsync(One) > restarts, TimeSpan.FromSeconds(3 * WatchdogSeconds), Cancel);
        }
        finally
        {
            await One.ShellAsync("rm -f /var/lib/accelerated/*.tmp");
            await Machines.Lab.Etcd.CtlAsync("del", $"{LabEtcd.Prefix}/subnets/{peer}");
        }

        await WaitReadyAsync(One);
        Assert.True(await One.PingAsync(Machines.Far));
    }

    /// <summary>A pass each hour, lane 2 closed, so that nothing but the watchdog wakes the loop.</summary>
    [Fact]
    public async Task Service_HasNothingToDo_IsNoHungOne()
    {
        const int idleSeconds = 3;
        await using var quick = await Machines.WithAsync(One, $"[Service]\nWatchdogSec={idleSeconds}s\nEnvironment=ACCELERATED_RECONCILE_INTERVAL=1h ACCELERATED_DATAPATH=kernel");
        await WaitReadyAsync(One);
        var (restarts, last) = (await RestartsAsync(One), await FedAsync());
        for (var fed = 0; fed < 5; fed++)
        {
            await One.WaitAsync("a sign of life", async () => await FedAsync() != last, TimeSpan.FromSeconds(idleSeconds), Cancel);
            last = await FedAsync();
        }

        Assert.Equal(restarts, await RestartsAsync(One));

        Task<string> FedAsync() => One.ShowAsync(Unit, "WatchdogTimestampMonotonic");
    }

    [Fact]
    public async Task Reload_ConnectsAnewAndMakesAFullPass()
    {
        await WaitReadyAsync(One);
        var (process, restarts, before) = (await ProcessAsync(One), await RestartsAsync(One), await EventsAsync(6));
        await One.RunAsync("systemctl", "log-level", "debug");
        try
        {
            await One.RunAsync("systemctl", "reload", Unit);

            IReadOnlyList<string> said = [];
            await One.WaitAsync("the end of the reload", async () => (said = await NotesAsync()).Any(n => n.Contains("READY=1", StringComparison.Ordinal)), cancel: Cancel);
            var reloading = said.ToList().FindIndex(n => n.Contains("RELOADING=1", StringComparison.Ordinal));
            Assert.Matches(@"RELOADING=1, MONOTONIC_USEC=\d+", said[reloading]);
            Assert.True(said.ToList().FindIndex(n => n.Contains("READY=1", StringComparison.Ordinal)) > reloading);
        }
        finally
        {
            await One.RunAsync("systemctl", "log-level", "info");
        }

        await One.WaitAsync("an active unit", async () => await One.ShowAsync(Unit, "ActiveState") == "active", cancel: Cancel);
        Assert.Equal((process, restarts, before + 1), (await ProcessAsync(One), await RestartsAsync(One), await EventsAsync(6)));
        await WaitReadyAsync(One);

        async Task<IReadOnlyList<string>> NotesAsync() => [.. (await One.JournalAsync("_PID=1", "-n", "400"))
            .Select(e => (string?)e["MESSAGE"] ?? "").Where(m => m.Contains($"Got notification message from PID {process}", StringComparison.Ordinal))];
    }

    [Fact]
    public async Task Stop_LeavesWhatCarriesPacketsAndSaysSo()
    {
        await using var ping = One.StartPing(Machines.Far);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        var watch = Stopwatch.StartNew();

        await One.RunAsync("systemctl", "stop", Unit);

        Output.WriteLine($"measured: stopped in {watch.Elapsed.TotalMilliseconds:0} ms");
        Assert.Equal(("inactive", "success"), (await One.ShowAsync(Unit, "ActiveState"), await One.ShowAsync(Unit, "Result")));
        Assert.Equal("stopped; containers go on talking", await One.ShowAsync(Unit, "StatusText"));
        Assert.Contains("FLANNEL_SUBNET", await One.RunAsync("cat", "/run/flannel/subnet.env"), StringComparison.Ordinal);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        await One.RunAsync("systemctl", "start", Unit);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        await One.RunAsync("systemctl", "restart", Unit);
        await WaitReadyAsync(One);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    [Fact]
    public async Task Journal_HasFieldsAndPriorities()
    {
        await One.RunAsync("systemctl", "restart", Unit);
        await WaitReadyAsync(One);

        var ready = (await One.JournalAsync($"MESSAGE_ID={MessageIds.Of(3008)}"))[^1];
        var subnet = (await One.ShellAsync(". /run/flannel/subnet.env; echo ${FLANNEL_SUBNET%.*}.0/24")).Trim();
        Assert.Equal(subnet, (string?)ready["ACCELERATED_SUBNET"]);
        Assert.Equal("6", (string?)ready["PRIORITY"]);
        Assert.Equal("accelerated", (string?)ready["SYSLOG_IDENTIFIER"]);
        Assert.Equal("journal", (string?)ready["_TRANSPORT"]);
        Assert.Equal("3008", (string?)ready["ACCELERATED_EVENT"]);
        Assert.StartsWith($"reconcile: ready: subnet {subnet}", (string?)ready["MESSAGE"], StringComparison.Ordinal);

        // A peer that cannot be used, as a warning with the peer's key.
        await Machines.Lab.Etcd.CtlAsync("put", $"{LabEtcd.Prefix}/subnets/10.5.250.0-24", "not JSON");
        try
        {
            await One.WaitAsync("the warning", async () => (await One.JournalAsync($"MESSAGE_ID={MessageIds.Of(3004)}")).Count > 0, cancel: Cancel);
            var warning = (await One.JournalAsync($"MESSAGE_ID={MessageIds.Of(3004)}"))[^1];
            Assert.Equal(("4", "10.5.250.0-24"), ((string?)warning["PRIORITY"], (string?)warning["ACCELERATED_PEER"]));
        }
        finally
        {
            await Machines.Lab.Etcd.CtlAsync("del", $"{LabEtcd.Prefix}/subnets/10.5.250.0-24");
        }
    }

    [Fact]
    public async Task WrongSetting_EndsWithTwoAndIsNotTriedAgain()
    {
        await using (await Machines.WithAsync(One, "[Service]\nEnvironment=ACCELERATED_GUARD=maybe"))
        {
            await One.WaitAsync("the end", async () => await One.ShowAsync(Unit, "ActiveState") == "failed", cancel: Cancel);
            Assert.Equal(("2", "0"), (await One.ShowAsync(Unit, "ExecMainStatus"), await One.ShowAsync(Unit, "NRestarts")));
            Assert.Contains("ACCELERATED_GUARD", await One.ShowAsync(Unit, "StatusText"), StringComparison.Ordinal);
            var last = (await One.JournalAsync("-u", Unit, "-p", "crit", "SYSLOG_IDENTIFIER=accelerated"))[^1];
            Assert.Contains("ACCELERATED_GUARD", (string?)last["MESSAGE"], StringComparison.Ordinal);
        }

        await WaitReadyAsync(One);
    }

    private async Task<int> EventsAsync(int number) => (await One.JournalAsync($"MESSAGE_ID={MessageIds.Of(number)}")).Count;
}
