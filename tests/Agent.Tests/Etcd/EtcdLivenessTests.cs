using System.Diagnostics;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>Watches that look alive and are not, against a real etcd.</summary>
public sealed class EtcdLivenessTests : IAsyncLifetime
{
    private EtcdProcess _etcd = null!;
    private MutingProxy _proxy = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _etcd = await EtcdProcess.StartAsync();
        _proxy = new MutingProxy(_etcd.Endpoint);
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    [Fact]
    public async Task Watch_ThatIsSilentButAskedForProgress_LivesOn()
    {
        await using var client = NewClient();
        await using var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        var from = watch.Current.Revision;
        var clock = Stopwatch.StartNew();
        Assert.True(await watch.MoveNextAsync());

        // The sign of life, and nothing to resume from (etcd issue 15220).
        Assert.Empty(watch.Current.Events);
        Assert.InRange(clock.Elapsed, EtcdWatch.Patience - TimeSpan.FromSeconds(0.5), EtcdWatch.Patience + TimeSpan.FromSeconds(2));
        Assert.Equal(from, watch.Current.Revision);
        await _etcd.CtlAsync("put", "/w/a", "v");
        Assert.Equal("v", Assert.Single(await Wait.EventsAsync(watch, 1)).Entry.Value);
        Assert.Equal(1, _proxy.Connections);
    }

    [Fact]
    public async Task Watch_ThatDiedOnEtcdsSideOnly_IsNoticedAndOpenedAgain()
    {
        await using var client = NewClient();
        var revision = await client.PutAsync("/w/a", "1", 0, Ct);
        await using (var watch = client.WatchAsync("/w/", revision, Ct).GetAsyncEnumerator(Ct))
        {
            await Wait.EventsAsync(watch, 1);
            var next = watch.MoveNextAsync();
            _proxy.Mute();
            await _etcd.CtlAsync("put", "/w/a", "2");
            var clock = Stopwatch.StartNew();

            var e = await Wait.FailureAsync(next);

            Assert.InRange(clock.Elapsed, EtcdWatch.Patience, EtcdWatch.Patience + EtcdWatch.AnswerLimit + TimeSpan.FromSeconds(2));
            Assert.Equal(
                $"etcd at {_proxy.Endpoint.GetLeftPart(UriPartial.Authority)}: the watch is dead, a request for progress had no answer within 3 s", e.Message);
            Assert.Equal((EtcdStatusCode.DeadlineExceeded, true), (e.Code, e.IsTransient));
        }

        // Another connection, and nothing is missing.
        await using var again = client.WatchAsync("/w/", revision + 1, Ct).GetAsyncEnumerator(Ct);
        Assert.Equal("2", Assert.Single(await Wait.EventsAsync(again, 1)).Entry.Value);
        Assert.Equal(2, _proxy.Connections);
    }

    // The HTTP stack would keep the connection, and every call would wait for its own timeout.
    [Fact]
    public async Task Call_AfterOneThatHadNoAnswer_UsesAnotherConnection()
    {
        await using var client = new EtcdClient(
            new EtcdClientOptions { Endpoints = [_proxy.Endpoint], RequestTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);
        await client.PutAsync("/w/a", "1", 0, Ct);
        _etcd.Pause();
        var late = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("/w/a", Ct));
        Assert.Equal(EtcdStatusCode.DeadlineExceeded, late.Code);
        _etcd.Resume();

        Assert.Equal("1", Assert.Single((await client.GetAsync("/w/a", Ct)).Entries).Value);
        Assert.Equal(2, _proxy.Connections);
    }

    // The first that gives up ends the connection, at the moment at which the others' time is over too. An exception on a timer's thread ends the agent.
    [Fact]
    public async Task Watches_ThatHaveNoAnswer_GiveUpTogether()
    {
        await using var client = new EtcdClient(
            new EtcdClientOptions { Endpoints = [_proxy.Endpoint], RequestTimeout = TimeSpan.FromSeconds(0.2) }, TimeProvider.System);
        await client.PutAsync("/w/a", "1", 0, Ct);
        _etcd.Pause();
        for (var round = 0; round < 20; round++)
        {
            var watches = Enumerable.Range(0, 50).Select(_ => client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct)).ToList();
            foreach (var opening in watches.ConvertAll(w => w.MoveNextAsync()))
                Assert.True((await Wait.FailureAsync(opening)).IsTransient);
        }

        _etcd.Resume();
        await using var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
    }

    [Fact]
    public async Task Reconnect_WithAWatchOpen_EndsItAndTheNextCallConnectsAnew()
    {
        await using var client = NewClient();
        await using var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        var next = watch.MoveNextAsync();

        client.Reconnect();

        Assert.True((await Wait.FailureAsync(next)).IsTransient);
        await client.PutAsync("/w/a", "1", 0, Ct);
        Assert.Equal(2, _proxy.Connections);
    }

    private EtcdClient NewClient() => new(new EtcdClientOptions { Endpoints = [_proxy.Endpoint] }, TimeProvider.System);
}
