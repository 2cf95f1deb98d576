using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// Between flannel and the agent a host changes hands, and changes back, without losing a packet: under a ping in each direction, one a
/// millisecond. flannel's host is the recorded one; what flannel does is done step by step.
/// </summary>
public sealed class TakeoverTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly TimeSpan EachMillisecond = TimeSpan.FromMilliseconds(1);

    // Rules of others, which have to stay: in the same tables and chains, one with a name and a comment that look like flannel's.
    private const string Others = """
        *nat
        :OTHERS-POSTRTG - [0:0]
        -A POSTROUTING -s 172.30.0.0/16 -m comment --comment "not -j FLANNEL-POSTRTG" -j OTHERS-POSTRTG
        -A OTHERS-POSTRTG -d 203.0.113.9/32 -j MASQUERADE
        COMMIT
        *filter
        :FLANNEL-FWD-2 - [0:0]
        -A FORWARD -s 172.30.0.0/16 -m comment --comment "flanneld forward" -j FLANNEL-FWD-2
        -A FLANNEL-FWD-2 -p tcp -m tcp --dport 25 -j DROP
        COMMIT

        """;

    [Theory]
    [InlineData("kernel")]
    [InlineData("auto")]
    public async Task Agents_ThatTakeOverFromFlannel_LoseNoPacketAndAdoptEverything(string datapath)
    {
        var lab = await FlannelAsync(datapath);
        var (keys, devices) = (await lab.Etcd.ListAsync(cancel: Cancel), await DevicesAsync(lab));
        await using var traffic = await Traffic.StartAsync(lab);

        foreach (var node in lab.Nodes)
        {
            node.StartAgent();
            await node.WaitReadyAsync(cancel: Cancel);
            await traffic.WaitAsync();
        }

        await Overlay.WaitAllAsync(lab.Nodes, keys);
        await traffic.WaitAsync();
        foreach (var node in lab.Nodes)
        {
            // The rules are superfluous from now on, and cleanup may run beside the agent.
            var status = await AgentSocket.WaitAsync(node, "the left-over rules", s => AgentSocket.Problems(s).Contains("flannel-rules"));
            Assert.Equal("warning", (string?)status["health"]);
            Assert.Contains("accelerated cleanup --flannel", (string?)status["summary"], StringComparison.Ordinal);
            Assert.Equal(0, (await node.CleanupAsync("--flannel")).ExitCode);
            await AgentSocket.WaitAsync(node, "health", s => (string?)s["health"] == "ok");
            Assert.DoesNotContain("FLANNEL-", await node.RunAsync("iptables-nft-save"), StringComparison.Ordinal);
        }

        await traffic.WaitAsync();
        await traffic.AssertNothingLostAsync(Output);
        Assert.Equal(devices, await DevicesAsync(lab));
        // Same subnets on the same etcd leases; one thing is said that flannel does not say, and that it passes over.
        Assert.Equal(
            keys.Select(k => (k.Key, RecordedFlannel.Announcing(k.Value), k.LeaseId)),
            (await lab.Etcd.ListAsync(cancel: Cancel)).Select(k => (k.Key, k.Value, k.LeaseId)));
    }

    [Theory]
    [InlineData("TERM", "", "kernel")]
    [InlineData("KILL", "", "auto")]
    [InlineData("TERM", "before", "auto")]
    [InlineData("KILL", "after", "auto")]
    [InlineData("TERM", "after", "kernel")]
    public async Task Flannel_ThatTakesBackFromTheAgent_LosesNoPacketAndReusesTheDevice(string signal, string cleanup, string datapath)
    {
        var lab = await FlannelAsync(datapath);
        await lab.StartAllWithoutPodsAsync(Cancel);
        var keys = await lab.Etcd.ListAsync(cancel: Cancel);
        await Overlay.WaitAllAsync(lab.Nodes, keys);
        var devices = await DevicesAsync(lab);
        var node = lab.Node(1);
        Assert.Equal(0, (await node.CleanupAsync("--flannel")).ExitCode);
        await using var traffic = await Traffic.StartAsync(lab);

        await (signal == "TERM" ? node.StopAgentAsync() : node.KillAgentAsync());
        await traffic.WaitAsync();
        if (cleanup == "before")
            Assert.Equal((0, ""), await CleanupAsync("--keep-device"));
        await traffic.WaitAsync();
        Assert.True(await RecordedFlannel.TakeBackAsync(node, lab.Etcd));
        await using var daemon = await FlannelDaemon.StartAsync(lab, node, "", $"--etcd-endpoints={lab.Layout.EtcdEndpoint}", "--ip-masq");
        await traffic.WaitAsync();
        if (cleanup == "after")
            Assert.Equal((0, ""), await CleanupAsync());
        await traffic.WaitAsync();

        await traffic.AssertNothingLostAsync(Output);
        Assert.Equal(devices, await DevicesAsync(lab));
        Assert.Equal([RecordedFlannel.SubnetKeys[0], (keys[1].Key, keys[1].Value)], (await lab.Etcd.ListAsync(cancel: Cancel)).Select(k => (k.Key, k.Value)));
        Assert.Equal(
            Overlay.Of(node, keys).Replace("protocol 143", "protocol boot", StringComparison.Ordinal), await Overlay.OfKernelAsync(node));
        if (cleanup.Length > 0)
        {
            Assert.Equal("", await Overlay.RulesAsync(node));
            Assert.False(Directory.Exists(node.BpfDirectory) && Directory.EnumerateFileSystemEntries(node.BpfDirectory).Any());
            Assert.Equal(RecordedFlannel.Text("subnet1.env"), await File.ReadAllTextAsync(node.SubnetFile, Cancel));
            // A node that joins afterwards is known to flannel, and to nobody's guard.
            Assert.DoesNotContain("accelerated", await node.RunAsync("nft", "list", "ruleset"), StringComparison.Ordinal);
        }

        async Task<(int, string)> CleanupAsync(params string[] flags)
        {
            var result = await node.CleanupAsync(flags);
            Output.WriteLine(result.Stdout);
            Assert.Contains("left to flannel: the device flannel.1 with its routes", result.Stdout, StringComparison.Ordinal);
            return (result.ExitCode, result.Stderr);
        }
    }

    [Fact]
    public async Task Flannel_AfterAWholeCleanup_MakesItsDeviceAnewAndPacketsFlow()
    {
        var lab = await FlannelAsync("auto");
        await lab.StartAllWithoutPodsAsync(Cancel);
        await Overlay.WaitAllAsync(lab.Nodes, await lab.Etcd.ListAsync(cancel: Cancel));
        var node = lab.Node(1);
        await node.StopAgentAsync();
        Assert.Equal(0, (await node.CleanupAsync()).ExitCode);

        Assert.False(await RecordedFlannel.TakeBackAsync(node, lab.Etcd));

        // The device's MAC is another one now: the agent on the other node hears of it from etcd.
        await Overlay.WaitAsync(lab.Node(2), Overlay.Of(lab.Node(2), await lab.Etcd.ListAsync(cancel: Cancel)));
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
    }

    [Theory]
    [InlineData("iptables-nft", "iptables-nft -t nat", "iptables-nft -t filter")]
    [InlineData("iptables-legacy", "iptables-legacy -t nat", "iptables-legacy -t filter")]
    [InlineData("ip6tables-nft", "ip6tables-nft -t nat", "ip6tables-nft -t filter")]
    [InlineData("ip6tables-legacy", "ip6tables-legacy -t nat", "ip6tables-legacy -t filter")]
    [InlineData("nft", "table ip flannel-ipv4", "table ip6 flannel-ipv6")]
    public async Task CleanupFlannel_OfRules_RemovesFlannelsAndNoOthers(string tool, params string[] named)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0 });
        var node = lab.Node(1);
        var isV6 = tool.StartsWith("ip6", StringComparison.Ordinal);
        if (tool == "nft")
            await node.RunAsync("nft", "add table ip others; add chain ip others forward { type filter hook forward priority 0; }; add table ip6 flannel-ipv4");
        else
            (await node.ExecAsync([$"{tool}-restore", "--noflush"], isV6 ? V6(Others) : Others, cancel: Cancel)).OrThrow();
        var before = await RulesAsync();
        if (tool == "nft")
        {
            await node.RunAsync("nft", """
                add table ip flannel-ipv4; add chain ip flannel-ipv4 forward { type filter hook forward priority 0; }; add rule ip flannel-ipv4 forward ip saddr 10.5.0.0/16 accept
                add table ip6 flannel-ipv6; add chain ip6 flannel-ipv6 postrtg { type nat hook postrouting priority 100; }
                """);
        }
        else if (isV6)
        {
            (await node.ExecAsync([$"{tool}-restore", "--noflush"], V6(string.Join('\n', RecordedFlannel.Output(1, "iptables-save").Append(""))), cancel: Cancel)).OrThrow();
        }
        else
        {
            await RecordedFlannel.InstallRulesAsync(node, tool);
            // Somebody's jump of his own: without it the chain could not go.
            await node.RunAsync(tool, "-I", "FLANNEL-FWD-2", "-s", "10.5.60.9", "-g", "FLANNEL-FWD");
        }

        var with = await RulesAsync();
        Assert.NotEqual(before, with);

        var dry = await node.CleanupAsync("--flannel", "--dry-run");
        Assert.Equal((0, ""), (dry.ExitCode, dry.Stderr));
        Assert.All(named, n => Assert.Contains(n, dry.Stdout, StringComparison.Ordinal));
        Assert.Equal(named.Length, dry.Stdout.Split('\n').Count(l => l.StartsWith("would remove: flannel's ", StringComparison.Ordinal)));
        Assert.Equal(with, await RulesAsync());

        await using (var daemon = await FlannelDaemon.StartAsync(lab, node, "", "-etcd-prefix=/other"))
        {
            var refused = await node.CleanupAsync("--flannel");
            Assert.Equal((1, ""), (refused.ExitCode, refused.Stdout));
            Assert.Contains($"process {daemon.ProcessId}", refused.Stderr, StringComparison.Ordinal);
            Assert.Contains("systemctl disable --now flanneld", refused.Stderr, StringComparison.Ordinal);
            Assert.Equal(with, await RulesAsync());
        }

        var done = await node.CleanupAsync("--flannel");
        Output.WriteLine(done.Stdout);
        Assert.Equal((0, ""), (done.ExitCode, done.Stderr));
        Assert.Equal(dry.Stdout.Replace("would remove", "removed", StringComparison.Ordinal), done.Stdout);
        Assert.Equal(before, await RulesAsync());
        var again = await node.CleanupAsync("--flannel");
        Assert.Equal((0, "no rules of flannel's are here\n"), (again.ExitCode, again.Stdout));

        // Counters and dates aside.
        async Task<string> RulesAsync() => tool == "nft"
            ? await node.RunAsync("nft", "list", "ruleset")
            : string.Join('\n', (await node.RunAsync($"{tool}-save")).Split('\n').Where(l => l is not ['#', ..]).Select(l => l.Split(" [")[0]));

        static string V6(string rules) => rules.Replace("10.5.60.0/24", "fd00:42:0:41::/64", StringComparison.Ordinal)
            .Replace("10.5.0.0/16", "fd00:42::/48", StringComparison.Ordinal).Replace("172.30.0.0/16", "fd00:30::/48", StringComparison.Ordinal)
            .Replace("203.0.113.9/32", "2001:db8::9/128", StringComparison.Ordinal).Replace("224.0.0.0/4", "ff00::/8", StringComparison.Ordinal);
    }

    /// <summary>Two hosts as flannel left them: devices, rules, keys under etcd leases, subnet.env, and a container on each.</summary>
    private async Task<NetworkLab> FlannelAsync(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, Datapath = datapath });
        await RecordedFlannel.SeedAsync(lab.Etcd, RecordedFlannel.SubnetKeys);
        foreach (var node in lab.Nodes)
        {
            await RecordedFlannel.InstallAsync(node);
            await RecordedFlannel.InstallRulesAsync(node);
            await node.AttachPodsAsync(Cancel);
        }

        return lab;
    }

    /// <summary>Which device each node has, and its MAC address.</summary>
    private static async Task<string> DevicesAsync(NetworkLab lab)
    {
        var lines = new List<string>();
        foreach (var node in lab.Nodes)
        {
            var link = (await node.IpAsync("link", "show", "dev", Overlay.Device))[0];
            lines.Add($"{node.Number}: {link["ifindex"]} {link["address"]} {link["txqlen"]}");
        }

        return string.Join('\n', lines);
    }

    /// <summary>A ping in each direction, one a millisecond.</summary>
    private sealed class Traffic : IAsyncDisposable
    {
        private readonly PingRun[] _pings;

        private Traffic(params PingRun[] pings) => _pings = pings;

        public static async Task<Traffic> StartAsync(NetworkLab lab)
        {
            var traffic = new Traffic(
                lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, EachMillisecond), lab.Pod(2, 1).StartPing(lab.Pod(1, 1).Address, EachMillisecond));
            await traffic.WaitAsync();
            return traffic;
        }

        public async Task WaitAsync()
        {
            foreach (var ping in _pings)
                await ping.WaitAnswersAsync(100, cancel: Cancel);
        }

        public async Task AssertNothingLostAsync(ITestOutputHelper output)
        {
            foreach (var ping in _pings)
            {
                var result = await ping.StopAsync();
                output.WriteLine($"measured: {result}");
                // All were answered a moment ago: on a busy machine several are under way when ping is stopped, and ping counts these as lost.
                Assert.InRange(result.AfterLastAnswer, 0, 50);
                Assert.Equal(result.Received, result.Sent - result.AfterLastAnswer);
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var ping in _pings)
                await ping.DisposeAsync();
        }
    }
}
