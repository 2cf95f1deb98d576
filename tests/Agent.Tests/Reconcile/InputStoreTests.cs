using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.Reconcile;

public sealed class InputStoreTests
{
    private static readonly Problem Problem = new(ProblemSeverity.Warning, "code", "message", "remedy");
    private readonly WakeSignal _wake = new();
    private readonly InputStore _store;

    public InputStoreTests() => _store = new InputStore(_wake);

    [Fact]
    public async Task Update_WithARealChange_WakesTheLoop()
    {
        _store.Update(i => i with { Etcd = new EtcdHealth(true, "http://127.0.0.1:2379", DateTimeOffset.UnixEpoch, null) });

        Assert.True(_store.Current.Etcd.IsConnected);
        Assert.True(await IsAwakeAsync());
    }

    [Fact]
    public async Task Update_WithTheSameValue_LetsTheLoopSleep()
    {
        _store.Update(i => i);

        Assert.Same(AgentInputs.Empty, _store.Current);
        Assert.False(await IsAwakeAsync());
    }

    [Fact]
    public async Task Report_OfTheSameProblemTwice_WakesOnce()
    {
        _store.Report(Problem);
        Assert.True(await IsAwakeAsync());
        _store.Report(Problem with { });
        Assert.False(await IsAwakeAsync());

        _store.Report(Problem with { Message = "other" });
        Assert.True(await IsAwakeAsync());
        Assert.Equal("other", Assert.Single(_store.Current.Problems).Value.Message);
    }

    [Fact]
    public async Task Resolve_OfAProblem_TakesItBackOnce()
    {
        _store.Report(Problem);
        _store.Report(Problem with { Code = "another" });
        Assert.True(await IsAwakeAsync());

        _store.Resolve("code");
        Assert.True(await IsAwakeAsync());
        _store.Resolve("code");
        Assert.False(await IsAwakeAsync());
        Assert.Equal(["another"], _store.Current.Problems.Keys);
    }

    [Fact]
    public async Task Update_FromManyThreads_LosesNoChange()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 1_000; i++)
                _store.Update(inputs => inputs with { Leases = inputs.Leases with { Revision = inputs.Leases.Revision + 1 } });
        })));

        Assert.Equal(8_000, _store.Current.Leases.Revision);
    }

    private Task<bool> IsAwakeAsync() => _wake.WaitAsync(TimeSpan.Zero, TimeProvider.System, TestContext.Current.CancellationToken);
}
