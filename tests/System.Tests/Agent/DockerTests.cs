using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Containers of real Docker, old and new, with the options of <c>docker-opts</c> and nothing else done for them.</summary>
public sealed partial class DockerTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Old = "20.10";
    private const string Latest = "latest";

    [Theory]
    [InlineData(Old, "kernel")]
    [InlineData(Old, "bpf")]
    [InlineData(Latest, "kernel")]
    [InlineData(Latest, "bpf")]
    public async Task Containers_OfDocker_ReachEachOtherWhateverDockerRefuses(string version, string datapath)
    {
        var lab = await StartAgentsAsync(datapath);
        var (one, two) = (lab.Node(1), lab.Node(2));
        await using var here = await DockAsync(one, version);
        await using var there = await DockAsync(two, version);
        Output.WriteLine($"Docker {here.Version}");
        Assert.StartsWith(version == Old ? "20.10." : "", here.Version, StringComparison.Ordinal);
        Assert.InRange(int.Parse(here.Version.Split('.')[0]), version == Old ? 20 : 28, version == Old ? 20 : int.MaxValue);
        var near = await here.AddContainerAsync("near", "-p", "8080:80");
        var far = await there.AddContainerAsync("far", "-p", "8080:80");
        // This is what has to be overcome, or the test shows nothing.
        Assert.Contains(":FORWARD DROP", await RulesAsync(one), StringComparison.Ordinal);
        Assert.Equal(version == Latest, (await RulesAsync(one)).Contains($"-A PREROUTING -d {near}/32 ! -i docker0 -j DROP", StringComparison.Ordinal));

        await Wait.UntilAsync("containers to reach each other", async () => await here.PingAsync("near", far) && await there.PingAsync("far", near), explain: () => one.LogTail(), cancel: Cancel);
        Assert.Equal("hello from far", await here.FetchAsync("near", $"http://{far}/"));
        Assert.Equal("hello from near", await there.FetchAsync("far", $"http://{near}/"));

        // Published ports: from the other host, from a container there, and by the overlay's own address of the host.
        foreach (var address in (IPAddress[])[two.Address, two.Subnet().Gateway])
        {
            Assert.Equal("hello from far", await one.RunAsync("curl", "-s", "-m", "3", $"http://{address}:8080/") is var text ? text.Trim() : "");
            Assert.Equal("hello from far", await here.FetchAsync("near", $"http://{address}:8080/"));
        }

        // What the rules let in is the overlay's, and nothing else: a host on the underlay that routes to a container gets nowhere.
        await lab.Etcd.RunAsync("ip", "route", "add", $"{near}/32", "via", one.Address.ToString());
        Assert.Equal(3, (await lab.Etcd.PingAsync(near, cancel: Cancel)).Lost);

        if (datapath == "bpf")
            await ExpectQuietShortcutAsync(one);
        await ExpectRulesAsync(one, version);

        // Without the rules Docker has its way: they are what made the difference.
        await one.StopAgentAsync();
        one.StartAgent("--iptables-forward-rules=false", "--shortcut=off");
        await Wait.UntilAsync("the rules to be gone", async () => !(await RulesAsync(one)).Contains("accelerated", StringComparison.Ordinal), explain: one.LogTail, cancel: Cancel);
        Assert.False(await there.PingAsync("far", near));
        // Docker 20.10 lets anybody in at a port that is published.
        Assert.Equal(version == Old ? "hello from near" : "", await there.FetchAsync("far", $"http://{near}/"));

        await one.StopAgentAsync();
        one.StartAgent();
        await Wait.UntilAsync("containers to reach each other again", () => there.PingAsync("far", near), explain: one.LogTail, cancel: Cancel);
        await one.StopAgentAsync();
        // A stopped agent leaves the data plane; cleanup takes it.
        Assert.Equal("hello from near", await there.FetchAsync("far", $"http://{near}/"));
        var cleaned = await one.CleanupAsync();
        Assert.Equal((0, ""), (cleaned.ExitCode, cleaned.Stderr));
        Assert.Contains("removed: our rules in the chains of iptables (comment \"accelerated default\")", cleaned.Stdout, StringComparison.Ordinal);
        Assert.DoesNotContain("accelerated", await RulesAsync(one), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Old, "kernel")]
    [InlineData(Latest, "bpf")]
    public async Task Docker_StartedAgainOnARewrittenRuleset_IsOvercomeWithinSeconds(string version, string datapath)
    {
        var lab = await StartAgentsAsync(datapath);
        var (one, two) = (lab.Node(1), lab.Node(2));
        await using var here = await DockAsync(one, version);
        await using var there = await DockAsync(two, version);
        await here.AddContainerAsync("near");
        var far = await there.AddContainerAsync("far");
        await Wait.UntilAsync("containers to reach each other", () => here.PingAsync("near", far), explain: () => one.LogTail(), cancel: Cancel);

        // As at a reload of somebody's rules: everything of iptables is gone, and Docker writes its own anew.
        await here.StopAsync();
        foreach (var table in (string[])["filter", "nat", "raw"])
        {
            await one.ExecAsync("iptables", "-w", "-t", table, "-F");
            await one.ExecAsync("iptables", "-w", "-t", table, "-X");
        }

        await here.StartAsync();
        var since = Stopwatch.StartNew();
        await Wait.UntilAsync("the container to run", () => here.IsRunningAsync("near"), cancel: Cancel);
        var near = await here.AddressAsync("near");

        await Wait.UntilAsync("traffic to go on", () => there.PingAsync("far", near), explain: one.LogTail, cancel: Cancel);

        Output.WriteLine($"measured: traffic went on {since.Elapsed.TotalSeconds:0.0} s after Docker's start");
        Assert.InRange(since.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        await ExpectRulesAsync(one, version);
    }

    [Theory]
    [InlineData(Old, "bpf")]
    [InlineData(Latest, "kernel")]
    public async Task Operator_WhoRefusesAContainerInDockerUser_StillRefusesIt(string version, string datapath)
    {
        var lab = await StartAgentsAsync(datapath);
        var (one, two) = (lab.Node(1), lab.Node(2));
        await using var here = await DockAsync(one, version);
        await using var there = await DockAsync(two, version);
        var secret = await here.AddContainerAsync("secret");
        var open = await here.AddContainerAsync("open");
        await there.AddContainerAsync("far");
        await Wait.UntilAsync(
            "containers to reach each other", async () => await there.PingAsync("far", secret) && await there.PingAsync("far", open), explain: () => one.LogTail(), cancel: Cancel);

        // Where an operator's rule ends up: before everything, and, where the chain has no RETURN at its end, behind everything.
        foreach (var option in version == Old ? ["-I"] : (string[])["-I", "-A"])
        {
            await one.RunAsync("iptables", "-w", option, "DOCKER-USER", "-d", $"{secret}", "-j", "DROP");

            await Wait.UntilAsync("the refusal", async () => !await there.PingAsync("far", secret), explain: one.LogTail, cancel: Cancel);
            Assert.Equal("", await there.FetchAsync("far", $"http://{secret}/"));
            Assert.True(await there.PingAsync("far", open));
            await here.StopAsync();
            await here.StartAsync();
            await Wait.UntilAsync("the containers to run", async () => await here.IsRunningAsync("secret") && await here.IsRunningAsync("open"), cancel: Cancel);
            // Their addresses may be others now.
            var (again, other) = (await here.AddressAsync("secret"), await here.AddressAsync("open"));
            var (refused, free) = again.Equals(secret) ? (again, other) : (other, again);
            await Wait.UntilAsync("the other container", () => there.PingAsync("far", free), explain: one.LogTail, cancel: Cancel);
            Assert.Equal(secret, refused);
            Assert.False(await there.PingAsync("far", refused));
            Assert.Contains($"-A DOCKER-USER -d {secret}/32 -j DROP", await RulesAsync(one), StringComparison.Ordinal);

            await one.RunAsync("iptables", "-w", "-D", "DOCKER-USER", "-d", $"{secret}", "-j", "DROP");
            await Wait.UntilAsync("the refusal to end", () => there.PingAsync("far", refused), explain: one.LogTail, cancel: Cancel);
        }
    }

    /// <summary>Two hosts without the lab's own containers: their bridge would have Docker's subnet.</summary>
    private async Task<NetworkLab> StartAgentsAsync(string datapath)
    {
        var lab = await UpAsync(new LabSpec { PodsPerNode = 0, Datapath = datapath });
        foreach (var node in lab.Nodes)
            node.StartAgent();
        foreach (var node in lab.Nodes)
            await node.WaitReadyAsync(cancel: Cancel);
        await lab.WaitRoutesAsync(cancel: Cancel);
        return lab;
    }

    /// <summary>Docker with what <c>docker-opts</c> makes of subnet.env, on a host that forwards only since Docker started: then it refuses what it does not know.</summary>
    private static async Task<DockerHost> DockAsync(LabNode node, string version)
    {
        var file = $"{node.RunDirectory}/docker.env";
        (await node.DockerOptsAsync("-f", node.SubnetFile, "-d", file, "-c")).OrThrow();
        var options = (await File.ReadAllTextAsync(file, Cancel)).Split('"')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, options.Length);
        await node.RunAsync("sysctl", "-qw", "net.ipv4.ip_forward=0");
        return await DockerHost.StartAsync(node, version, options);
    }

    private static Task<string> RulesAsync(LabNode node) => node.RunAsync("sh", "-ec", "iptables-save; iptables-legacy-save");

    /// <summary>Our rules, as narrow as they have to be, each once and where it belongs.</summary>
    private static async Task ExpectRulesAsync(LabNode node, string version)
    {
        var subnet = node.Subnet().Subnet;
        string[] wanted =
        [
            .. version == Latest ? (string[])[$"-A PREROUTING -s 10.5.0.0/16 -d {subnet} -i flannel.1 -m comment --comment \"accelerated default\" -j ACCEPT"] : [],
            $"-A DOCKER-USER -s 10.5.0.0/16 -d {subnet} -i flannel.1 -m comment --comment \"accelerated default\" -j ACCEPT",
            $"-A DOCKER-USER -s {subnet} -d 10.5.0.0/16 -o flannel.1 -m comment --comment \"accelerated default\" -j ACCEPT",
        ];
        string[] ours = [];
        await Wait.UntilAsync(
            $"the rules of {node.Namespace}",
            async () => (ours = [.. (await RulesAsync(node)).Split('\n').Where(l => l.Contains("accelerated", StringComparison.Ordinal))]).SequenceEqual(wanted),
            explain: () => string.Join('\n', ours) + "\n" + node.LogTail(), cancel: Cancel);
    }

    /// <summary>The shortcut is open, and our own changes do not make flows prove themselves again and again.</summary>
    private static async Task ExpectQuietShortcutAsync(LabNode node)
    {
        await AgentSocket.WaitAsync(node, "an open shortcut", s => ((string?)s["datapathReason"])?.Contains("lane 2 out and in", StringComparison.Ordinal) == true);
        var (before, passes) = (await GenerationAsync(), await PassesAsync());
        await Wait.UntilAsync("two more passes", async () => await PassesAsync() >= passes + 2, TimeSpan.FromSeconds(30), cancel: Cancel);
        Assert.Equal(before, await GenerationAsync());
        // One pass a timer tick, give or take; a loop that chases itself makes dozens.
        Assert.InRange(await PassesAsync() - passes, 2, 10);

        async Task<string> GenerationAsync() => Mark().Match(await node.RunAsync("nft", "list", "chain", "inet", "accelerated-default", "accepted")).Value;

        async Task<int> PassesAsync() => (int)(await AgentSocket.StatusAsync(node))["reconcile"]!["passes"]!;
    }

    [GeneratedRegex("== 0x[0-9a-f]+")]
    private static partial Regex Mark();
}
