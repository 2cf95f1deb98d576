using System.Text.Json.Nodes;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary><c>accelerated status</c> and the socket behind it, as scripts and people use them.</summary>
public sealed class StatusTests(StatusTests.TwoNodes shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<StatusTests.TwoNodes>
{
    private LabNode Node => Lab.Node(1);

    [Fact]
    public async Task Status_NodeIsWell_ExitsWithZeroAndSaysSoFirst()
    {
        var shown = await Node.ShowStatusAsync(Cancel);

        Assert.Equal(0, shown.ExitCode);
        Assert.StartsWith("ok: ", shown.Stdout, StringComparison.Ordinal);
        Assert.Contains(Node.Subnet().Subnet.ToString(), shown.Stdout, StringComparison.Ordinal);
        Assert.Contains(Lab.Node(2).Subnet().Subnet.ToString(), shown.Stdout, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_Json_IsOneLineWithTheNamesThatScriptsKnow()
    {
        var result = await StatusAsync($"--run-dir={Node.RunDirectory}", "--json");

        Assert.Equal(0, result.ExitCode);
        Assert.Single(result.Stdout.TrimEnd('\n').Split('\n'));
        var status = JsonNode.Parse(result.Stdout)!.AsObject();
        var (subnet, peer) = (Node.Subnet(), Lab.Node(2));
        Assert.Equal(
            ("ok", true, false, "default", "10.5.0.0/16", subnet.Subnet.ToString(), "192.0.2.1", "eth0"),
            ((string)status["health"]!, (bool)status["ready"]!, (bool)status["provisional"]!, (string)status["instance"]!, (string)status["network"]!,
                (string)status["subnet"]!, (string)status["publicIP"]!, (string)status["interface"]!));
        Assert.Equal(
            ("flannel.1", 1, 8472, 1450, "bpf", true, true),
            ((string)status["device"]!, (int)status["vni"]!, (int)status["port"]!, (int)status["mtu"]!, (string)status["datapath"]!,
                (bool)status["masquerade"]!, (bool)status["etcd"]!["connected"]!));
        Assert.Equal("http://192.0.2.250:2379", (string)status["etcd"]!["endpoint"]!);
        var entry = Assert.Single(status["peers"]!.AsArray())!;
        Assert.Equal(
            (peer.Subnet().Subnet.ToString(), "192.0.2.2", "vxlan", "installed"),
            ((string)entry["subnet"]!, (string)entry["publicIP"]!, (string)entry["transport"]!, (string)entry["state"]!));
        Assert.Empty(status["problems"]!.AsArray());
        Assert.Empty(status["rejected"]!.AsArray());
        Assert.True((long)status["reconcile"]!["passes"]! > 0);
    }

    [Fact]
    public async Task Status_HostDoesNotForward_ExitsWithOneAndNamesTheRemedy()
    {
        await Node.RunAsync("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward");
        await AgentSocket.WaitAsync(Node, "the problem", s => AgentSocket.Problems(s).Contains("ip-forward"));

        var shown = await Node.ShowStatusAsync(Cancel);

        await Node.RunAsync("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward");
        Assert.Equal(1, shown.ExitCode);
        Assert.StartsWith("critical: ", shown.Stdout, StringComparison.Ordinal);
        Assert.Contains("sysctl -w net.ipv4.ip_forward=1", shown.Stdout, StringComparison.Ordinal);
        await AgentSocket.WaitAsync(Node, "health", s => (string?)s["health"] == "ok");
    }

    [Fact]
    public async Task Status_PoisonKeyInEtcd_WarnsNamesItAndStillExitsWithZero()
    {
        var key = $"{LabEtcd.Prefix}/subnets/10.5.300.0-24";
        await Lab.Etcd.CtlAsync("put", key, "{");
        await AgentSocket.WaitAsync(Node, "the key", s => s["rejected"]!.AsArray().Count == 1);

        var shown = await Node.ShowStatusAsync(Cancel);

        await Lab.Etcd.CtlAsync("del", key);
        Assert.Equal(0, shown.ExitCode);
        Assert.StartsWith("warning: ", shown.Stdout, StringComparison.Ordinal);
        Assert.Contains("10.5.300.0-24", shown.Stdout, StringComparison.Ordinal);
        await AgentSocket.WaitAsync(Node, "health", s => (string?)s["health"] == "ok");
    }

    [Fact]
    public async Task Status_NoAgent_ExitsWithThreeAndNamesTheFlags()
    {
        var result = await StatusAsync($"--run-dir={Node.RunDirectory}", "--instance=other");

        Assert.Equal((3, ""), (result.ExitCode, result.Stdout));
        Assert.Contains("no such socket", result.Stderr, StringComparison.Ordinal);
        Assert.Contains("--run-dir", result.Stderr, StringComparison.Ordinal);
        Assert.Contains("--instance", result.Stderr, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_AgentWasKilled_ExitsWithThreeAndTheNextAgentTakesTheSocket()
    {
        var other = Lab.Node(2);
        await other.KillAgentAsync();

        var result = await other.ShowStatusAsync(Cancel);

        Assert.Equal(3, result.ExitCode);
        Assert.Contains("it has ended", result.Stderr, StringComparison.Ordinal);
        other.StartAgent();
        await other.WaitReadyAsync(cancel: Cancel);
        Assert.Equal(0, (await other.ShowStatusAsync(Cancel)).ExitCode);
    }

    [Fact]
    public async Task Status_UnknownFlag_ExitsWithTwo() =>
        Assert.Equal(2, (await StatusAsync("--nonsense")).ExitCode);

    [Fact]
    public void Socket_Always_IsForRootAndItsGroup() =>
        Assert.Equal("660", Convert.ToString((int)File.GetUnixFileMode(AgentSocket.PathOf(Node)) & 0x1ff, 8));

    [Theory]
    [InlineData("garbage\n")]
    [InlineData("\n")]
    [InlineData("null\n")]
    [InlineData("[1,2]\n")]
    [InlineData("{\"method\":\"stop\"}\n")]
    [InlineData("{\"method\":7}\n")]
    [InlineData("\0\u0001\u00ff\n")]
    public async Task Socket_SomethingElseThanARequest_IsAnsweredInJsonAndServedOn(string garbage)
    {
        using var socket = new AgentSocket(Node);

        await socket.SendAsync(garbage);

        Assert.Contains("status", (string?)(await socket.AnswerAsync())["error"], StringComparison.Ordinal);
        await socket.SendAsync("{\"method\":\"status\"}\n{\"method\":\"status\"}\n");
        Assert.Equal("ok", (string?)(await socket.AnswerAsync())["health"]);
        Assert.Equal("ok", (string?)(await socket.AnswerAsync())["health"]);
    }

    [Fact]
    public async Task Socket_EndlessLine_IsAnsweredWithAnErrorAndClosed()
    {
        using var socket = new AgentSocket(Node);

        await socket.SendAsync(new string('x', 4096));

        Assert.NotNull((string?)(await socket.AnswerAsync())["error"]);
        Assert.Null(await socket.LineAsync());
    }

    [Fact]
    public async Task Socket_ClientsThatNeitherWriteNorRead_DoNotHoldUpOthers()
    {
        var idle = Enumerable.Range(0, 20).Select(_ => new AgentSocket(Node)).ToList();
        try
        {
            foreach (var client in idle.Take(10))
                await client.SendAsync("{\"method\":");
            // Far more answers than a socket's buffer holds, and nobody to read them.
            foreach (var client in idle.Skip(10))
                await client.SendAsync(string.Concat(Enumerable.Repeat("{\"method\":\"status\"}\n", 1000)));

            var result = await StatusAsync($"--run-dir={Node.RunDirectory}");

            Assert.Equal(0, result.ExitCode);
        }
        finally
        {
            idle.ForEach(c => c.Dispose());
        }
        Assert.Equal("ok", (string?)(await AgentSocket.StatusAsync(Node))["health"]);
    }

    private Task<CommandResult> StatusAsync(params string[] arguments) => Node.ExecAsync([LabTools.Agent(null), "status", .. arguments]);

    /// <summary>Two hosts whose agents look at everything each second.</summary>
    public sealed class TwoNodes() : SharedLab(new LabSpec { PodsPerNode = 0, AgentFlags = ["--reconcile-interval=1s"] });
}
