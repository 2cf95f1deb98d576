using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Accelerated.Agent.Api;
using Accelerated.Agent.Bus;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Agent.Node;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.Systemd;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Api;

/// <summary>The agent's socket as its clients see it, with an agent behind it that has only just started.</summary>
public sealed class StatusServerTests : IAsyncLifetime
{
    private const string BadRequest = """{"error":"expected one line of JSON like {\u0022method\u0022:\u0022status\u0022}; the methods are: status, drops, look"}""";

    private readonly string _directory = Directory.CreateTempSubdirectory("api-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly RouteSocket _routes = RouteSocket.Open();
    private readonly HostRules _rules = new("test");
    private readonly NftablesFirewall _firewall;
    private readonly WakeSignal _wake = new();
    private KernelWatch _kernel = null!;
    private Socket _listener = null!;
    private Task _serving = Task.CompletedTask;

    public StatusServerTests() => _firewall = new("test", _rules, TimeProvider.System);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string SocketPath => Path.Combine(_directory, "agent.sock");

    public ValueTask InitializeAsync()
    {
        var options = new AgentFlags().Read([$"--run-dir={_directory}", $"--state-dir={_directory}", $"--subnet-file={_directory}/subnet.env"], _ => null);
        var store = new InputStore(_wake);
        var datapath = new KernelDatapath(_routes, true, TimeProvider.System);
        var foreign = new ForeignChains("test", _rules, TimeProvider.System);
        _kernel = new KernelWatch(_wake, store, _routes, _firewall, foreign, new PolicyWatch());
        var loop = new ReconcileLoop(
            options, store, _wake, datapath, _firewall, foreign, new SubnetFile(options.SubnetFile),
            new SubnetChange(options, store, new UnitRestarter(TimeProvider.System), new LogRecorder<SubnetChange>()), new StateKeeper(options, new StateFile(_directory, "test"), TimeProvider.System, new LogRecorder<StateKeeper>()), _routes, _kernel,
            new ServiceWatchdog(TimeProvider.System), TimeProvider.System, new LogRecorder<ReconcileLoop>());
        _listener = StatusServer.Bind(SocketPath);
        _serving = new StatusServer(
            new StatusReporter(options, store, loop, datapath, _firewall), datapath, _firewall, new ContainerLook(datapath, store, loop, TimeProvider.System), TimeProvider.System, new LogRecorder<StatusServer>()).RunAsync(_listener, _stop.Token);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _kernel.Dispose();
        _firewall.Dispose();
        _rules.Dispose();
        _routes.Dispose();
        _stop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Query_OfAnAgentThatStarts_GetsAReportInOneLine()
    {
        var line = await StatusClient.QueryAsync(SocketPath);

        var report = JsonSerializer.Deserialize(line, ApiJson.Default.StatusReport)!;
        Assert.Equal(("starting", false, "kernel", StatusReporter.Version), (report.Health, report.Ready, report.Datapath, report.Version));
        Assert.Equal("starting: kernel vxlan, etcd not connected", report.Summary);
        Assert.Null(report.Etcd.Since);
    }

    [Fact]
    public void Bind_OfTheSocket_LetsRootAndItsGroupIn() =>
        Assert.Equal(Convert.ToInt32("660", 8), (int)File.GetUnixFileMode(SocketPath));

    [Theory]
    [InlineData("")]
    [InlineData("status")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"method":"stop"}""")]
    [InlineData("""{"method":7}""")]
    [InlineData("""{"method":"status\ud800"}""")]
    public async Task Request_OfAnythingElse_IsToldWhatToAsk(string request) => Assert.Equal([BadRequest], await AskAsync(request + "\n", 1));

    [Theory]
    [InlineData("""{"method":"drops"}""")]
    [InlineData("""{"method":"drops","follow":false}""")]
    public async Task Drops_OfAnAgentWithoutLanes_EndWithNothing(string request) => Assert.Empty(await AskAsync(request + "\n", 1));

    [Fact]
    public async Task Drops_ThatAreFollowed_GoOnUntilTheClientHangsUp()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        limit.CancelAfter(TimeSpan.FromSeconds(1));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var line in StatusClient.AskAsync(SocketPath, new("drops", Follow: true), limit.Token))
                Assert.Fail(line);
        });
        Assert.StartsWith("{\"health\":", Assert.Single(await AskAsync("{\"method\":\"status\"}\n", 1)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_OfSeveralLines_IsAnsweredLineByLine()
    {
        var answers = await AskAsync("{\"method\":\"status\"}\nnonsense\n{\"Method\":\"status\"}\n", 3);

        Assert.StartsWith("{\"health\":", answers[0], StringComparison.Ordinal);
        Assert.Equal(BadRequest, answers[1]);
        Assert.StartsWith("{\"health\":", answers[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_WithoutEnd_IsAnsweredOnceAndCutOff() => Assert.Equal([BadRequest], await AskAsync(new string('x', 10_000), 1));

    [Fact]
    public async Task Query_WithoutAnAgent_SaysWhatToLookFor()
    {
        var e = await Assert.ThrowsAsync<IOException>(() => StatusClient.QueryAsync(Path.Combine(_directory, "other.sock")));

        Assert.Equal(
            $"no agent answers at {_directory}/other.sock (no such socket): is it running (systemctl status accelerated), and with this --run-dir and --instance?",
            e.Message);
    }

    [Fact]
    public async Task Query_OfADeadAgentsSocket_SaysThatItHasEnded()
    {
        var path = Path.Combine(_directory, "dead.sock");
        StatusServer.Bind(path).Dispose();
        if (!File.Exists(path))
            await File.WriteAllTextAsync(path, "", Ct); // .NET removes the file on Dispose, a killed agent does not.

        var e = await Assert.ThrowsAsync<IOException>(() => StatusClient.QueryAsync(path));

        Assert.StartsWith($"no agent answers at {path} (it has ended)", e.Message, StringComparison.Ordinal);
    }

    private async Task<IReadOnlyList<string>> AskAsync(string request, int lines)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath), Ct);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request), Ct);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var answers = new List<string>();
        while (answers.Count < lines && await reader.ReadLineAsync(Ct) is { } line)
            answers.Add(line);
        return answers;
    }
}
