using Accelerated.Agent.Etcd;
using Accelerated.Agent.Leases;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Accelerated.Agent.Tests.Etcd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Tests.Leases;

public sealed class EtcdSessionTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private readonly InputStore _store = new(new WakeSignal());
    private readonly LogRecorder<EtcdSession> _log = new();
    private EtcdProcess _etcd = null!;
    private ObservedClient _client = null!;
    private EtcdSession _session = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _etcd = await EtcdProcess.StartAsync();
        _client = new ObservedClient(_etcd.NewClient(TimeSpan.FromSeconds(2)));
        _session = new EtcdSession(_client, _store, TimeProvider.System, _log);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    [Fact]
    public async Task Run_WithEtcdThere_SaysOnceThatItAnswers()
    {
        for (var i = 0; i < 3; i++)
            await GetAsync();

        var endpoint = _etcd.Endpoint.GetLeftPart(UriPartial.Authority);
        Assert.Equal([(LeaseNode.Connected, LogLevel.Information, $"etcd answers at {endpoint}")], _log.Lines);
        Assert.Equal((true, endpoint, null), (_store.Current.Etcd.IsConnected, _store.Current.Etcd.Endpoint, _store.Current.Etcd.Error));
        Assert.Empty(_store.Current.Problems);
    }

    [Fact]
    public async Task Run_WhileEtcdIsAway_TriesOnAndSaysSoOnce()
    {
        await GetAsync();
        _etcd.Kill();

        // Several at once, as in the agent: registry, keeper and config.
        var waiting = Task.WhenAll(GetAsync(), GetAsync(), GetAsync());
        await Wait.UntilAsync(() => Task.FromResult(_client.Calls(nameof(IEtcdClient.GetAsync)) >= 12), Limit, "a dozen attempts");
        Assert.Equal((1, 1), (_log.Count(LeaseNode.Connected), _log.Count(LeaseNode.Disconnected)));
        Assert.False(_store.Current.Etcd.IsConnected);
        // The first of them may still meet the old connection (reset), the others meet nobody (refused).
        Assert.Matches("connection (refused|reset|lost)", _store.Current.Etcd.Error);
        var problem = _store.Current.Problems[EtcdSession.Unreachable];
        Assert.Equal((ProblemSeverity.Warning, "check --etcd-endpoints and that etcd runs; traffic goes on meanwhile, changes do not arrive"),
            (problem.Severity, problem.Remedy));
        Assert.False(waiting.IsCompleted);

        await _etcd.RestartAsync();
        await waiting.WaitAsync(Limit, Ct);
        Assert.Equal((2, 1), (_log.Count(LeaseNode.Connected), _log.Count(LeaseNode.Disconnected)));
        Assert.Equal((true, null), (_store.Current.Etcd.IsConnected, _store.Current.Etcd.Error));
        Assert.Empty(_store.Current.Problems);
    }

    [Fact]
    public async Task Run_ThatIsRefusedAtTheStart_IsAFault()
    {
        var e = await Assert.ThrowsAsync<AgentFaultException>(() => _session.RunAsync<int>(_ => throw Refusal(), Ct));

        Assert.Equal(
            "etcd at x: permission denied: the user of --etcd-username needs a role that may read PREFIX/config and write PREFIX/subnets/, where PREFIX is "
            + "--etcd-prefix (etcdctl role grant-permission ROLE read PREFIX/config, and readwrite PREFIX/subnets/ --prefix)",
            e.Message);
        Assert.Equal(1, e.ExitCode);
        Assert.Empty(_log.Lines);
    }

    // A password that is being changed must not end an agent that runs.
    [Fact]
    public async Task Run_ThatIsRefusedLater_TriesOn()
    {
        await GetAsync();
        var tries = 0;

        Assert.Equal(42, await _session.RunAsync(_ => ++tries < 3 ? throw Refusal() : Task.FromResult(42), Ct));

        Assert.Equal(3, tries);
        Assert.Equal((2, 1), (_log.Count(LeaseNode.Connected), _log.Count(LeaseNode.Disconnected)));
    }

    [Fact]
    public async Task Run_Cancelled_EndsAtOnce()
    {
        _etcd.Kill();
        using var stop = new CancellationTokenSource();
        var run = _session.RunAsync(c => c.GetAsync("/x", stop.Token), stop.Token);
        await Wait.UntilAsync(() => Task.FromResult(_client.Calls(nameof(IEtcdClient.GetAsync)) >= 2), Limit, "two attempts");

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.WaitAsync(Limit, Ct));
    }

    private static EtcdException Refusal() => new("etcd at x: permission denied", EtcdStatusCode.PermissionDenied, null, isTransient: false);

    private Task<EtcdRange> GetAsync() => _session.RunAsync(c => c.GetAsync("/x", Ct), Ct);
}
