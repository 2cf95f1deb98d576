using System.Globalization;
using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>flannel's health port, asked as probes do.</summary>
public sealed class HealthTests(ITestOutputHelper output) : LabTest(output)
{
    private const int Port = 8471;

    [Fact]
    public async Task Probes_OfANodeThatStarts_AreHealthyAtOnceAndReadyWhenItIs()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Config = null });
        var node = lab.Node(1);
        node.StartAgent($"--healthz-port={Port}");
        await node.WaitAgentAsync("the port", async () => await AskAsync(node, "GET", "/healthz") != "", cancel: Cancel);

        Assert.Equal("200 flanneld is running", await AskAsync(node, "GET", "/healthz"));
        Assert.Equal("503 not ready: see accelerated status", await AskAsync(node, "GET", "/readyz"));
        Assert.Equal("404 only /healthz and /readyz", await AskAsync(node, "GET", "/"));
        Assert.Equal("405 only GET and HEAD", await AskAsync(node, "POST", "/healthz"));

        await lab.Etcd.PutConfigAsync(LabSpec.DefaultConfig, Cancel);

        await node.WaitReadyAsync(cancel: Cancel);
        Assert.Equal("200 ready", await AskAsync(node, "GET", "/readyz?verbose"));
    }

    [Fact]
    public async Task Address_ThatIsGiven_IsTheOnlyOne()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0 });
        var node = lab.Node(1);
        node.StartAgent($"--healthz-port={Port}", "--healthz-ip=127.0.0.1");
        await node.WaitReadyAsync(cancel: Cancel);

        Assert.Equal("200 ready", await AskAsync(node, "GET", "/readyz"));
        Assert.Equal("", await AskAsync(node, "GET", "/readyz", node.Address));
    }

    [Theory]
    [InlineData]
    [InlineData("--healthz-ip=0.0.0.0", "--healthz-port=0")]
    public async Task Port_ThatIsNotGiven_IsNotOpened(params string[] flags)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0 });
        var node = lab.Node(1);
        node.StartAgent(flags);
        await node.WaitReadyAsync(cancel: Cancel);

        Assert.Equal("", await node.RunAsync("ss", "-H", "-l", "-t", "-n"));
    }

    [Fact]
    public async Task Port_ThatIsTaken_EndsTheStartAndNamesTheFlag()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0 });
        var node = lab.Node(1);
        await using var other = node.Start("iperf3", "-s", "-p", Port.ToString(CultureInfo.InvariantCulture));
        await other.WaitListeningAsync(Port, Cancel);

        node.StartAgent($"--healthz-port={Port}");

        Assert.Equal(1, await node.WaitAgentExitAsync(cancel: Cancel));
        Assert.Contains($"the health port 0.0.0.0:{Port} cannot be opened: Address already in use. Choose another with --healthz-port", node.LogTail(), StringComparison.Ordinal);
    }

    /// <summary>Status and body, or nothing if nobody answers.</summary>
    private static async Task<string> AskAsync(LabNode node, string method, string path, IPAddress? address = null)
    {
        var result = await node.ExecAsync(
            "curl", "-sS", "-m", "5", "-X", method, "-H", "Host: any.example", "-w", "%{http_code}", $"http://{address ?? IPAddress.Loopback}:{Port}{path}");
        return result.Succeeded ? $"{result.Stdout[^3..]} {result.Stdout[..^3]}" : "";
    }
}
