using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>
/// Several endpoints, and endpoints that fail. Two separate etcds stand in for two members: what the second one holds
/// shows whether a request was sent to it.
/// </summary>
public sealed class EtcdFailoverTests : IAsyncLifetime
{
    private EtcdProcess _first = null!;
    private EtcdProcess _second = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static Uri Dead => new($"http://127.0.0.1:{EtcdProcess.FreePort()}");

    public async ValueTask InitializeAsync()
    {
        _first = await EtcdProcess.StartAsync();
        _second = await EtcdProcess.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _first.DisposeAsync();
        await _second.DisposeAsync();
    }

    [Fact]
    public async Task Call_WithTwoOfThreeEndpointsDead_WorksWithinTheConnectTimeouts()
    {
        // A listener whose queue is full swallows connection attempts, as a host that is switched off does.
        using var silent = new FullListener();
        await using var client = NewClient(silent.Endpoint, Dead, _first.Endpoint);
        var clock = Stopwatch.StartNew();
        await client.PutAsync("k", "v", 0, Ct);
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(0.4), TimeSpan.FromSeconds(1.5));
        Assert.Equal("v\n", await _first.CtlAsync("get", "k", "--print-value-only"));
        Assert.Equal(_first.Endpoint.GetLeftPart(UriPartial.Authority), client.CurrentEndpoint);

        // And it stays there.
        clock.Restart();
        for (var i = 0; i < 10; i++)
            await client.GetAsync("k", Ct);

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(0.4), $"took {clock.Elapsed}");
    }

    [Fact]
    public async Task Call_WithAllEndpointsDead_NamesEachOfThem()
    {
        var (a, b) = (Dead, Dead);
        await using var client = NewClient(a, b);
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
        Assert.Equal(
            $"none of 2 etcd endpoints can serve the call: http://127.0.0.1:{a.Port}: connection refused; http://127.0.0.1:{b.Port}: connection refused",
            e.Message);
        Assert.Equal((EtcdStatusCode.Unavailable, true, false), (e.Code, e.IsTransient, e.OutcomeUnknown));
        Assert.Null(e.Endpoint);
        Assert.Null(client.CurrentEndpoint);
    }

    [Fact]
    public async Task Call_ToANameThatDoesNotResolve_SaysSo()
    {
        await using var client = NewClient(new Uri("http://etcd.invalid:2379"));
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.GetAsync("k", Ct));
        Assert.Matches("^etcd at http://etcd.invalid:2379: (the name 'etcd.invalid' does not resolve|no connection within 0.5 s)", e.Message);
        Assert.True(e.IsTransient);
    }

    [Fact]
    public async Task Watch_WhenItsEndpointDies_IsOpenedAgainOnTheOther()
    {
        await using var client = NewClient(_first.Endpoint, _second.Endpoint);
        await using (var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct))
        {
            Assert.True(await watch.MoveNextAsync());
            _first.Kill();
            await Wait.FailureAsync(watch.MoveNextAsync());
        }

        await using var again = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await again.MoveNextAsync());
        Assert.Equal(_second.Endpoint.GetLeftPart(UriPartial.Authority), client.CurrentEndpoint);
        await _second.CtlAsync("put", "/w/a", "v");
        Assert.Equal("v", Assert.Single(await Wait.EventsAsync(again, 1)).Entry.Value);
    }

    [Fact]
    public async Task Read_FromAPausedEndpoint_IsAnsweredByTheOther()
    {
        await _second.CtlAsync("put", "k", "second");
        await using var client = NewClient(_first.Endpoint, _second.Endpoint);
        Assert.Empty((await client.GetAsync("k", Ct)).Entries);
        _first.Pause();
        var clock = Stopwatch.StartNew();
        Assert.Equal("second", Assert.Single((await client.GetAsync("k", Ct)).Entries).Value);
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task Write_ToAPausedEndpoint_IsUnknownAndNotSentToTheOther()
    {
        await using var client = NewClient(_first.Endpoint, _second.Endpoint);
        await client.PutAsync("before", "v", 0, Ct);
        _first.Pause();
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
        Assert.Equal((EtcdStatusCode.DeadlineExceeded, true, true), (e.Code, e.IsTransient, e.OutcomeUnknown));
        Assert.Equal(
            $"etcd at {_first.Endpoint.GetLeftPart(UriPartial.Authority)}: no answer within 1 s; whether the write happened is not known",
            e.Message);
        Assert.Equal(_first.Endpoint, e.Endpoint);
        Assert.Equal("", await _second.CtlAsync("get", "k"));

        // The next one goes to the endpoint that works.
        await client.PutAsync("after", "v", 0, Ct);
        Assert.Equal("v\n", await _second.CtlAsync("get", "after", "--print-value-only"));
        _first.Resume();
    }

    [Fact]
    public async Task Write_ToAStoppedEndpoint_GoesToTheOther()
    {
        await using var client = NewClient(_first.Endpoint, _second.Endpoint);
        await client.PutAsync("before", "v", 0, Ct);
        _first.Kill();
        await Wait.UntilAsync(
            async () =>
            {
                try
                {
                    await client.PutAsync("k", "v", 0, Ct);
                    return true;
                }
                catch (EtcdException e) when (e.OutcomeUnknown)
                {
                    // Sent in the moment before the connection's end was seen.
                    return false;
                }
            },
            TimeSpan.FromSeconds(5),
            "a write on the second endpoint");
        Assert.Equal("v\n", await _second.CtlAsync("get", "k", "--print-value-only"));
    }

    [Fact]
    public async Task Writes_WhileEtcdIsKilledOverAndOver_AreWhatTheySayTheyAre()
    {
        await using var client = NewClient(_first.Endpoint);
        var applied = new HashSet<string>();
        var refused = new HashSet<string>();
        var unknown = 0;
        for (var round = 0; round < 3; round++)
        {
            var down = false;
            var writes = Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
            {
                for (var i = 0; !Volatile.Read(ref down) || i < 20; i++)
                {
                    var key = $"{round}-{worker}-{i}";
                    try
                    {
                        await client.PutAsync(key, "v", 0, Ct);
                        lock (applied)
                            applied.Add(key);
                    }
                    catch (EtcdException e) when (e.OutcomeUnknown)
                    {
                        Assert.True(e.IsTransient, e.ToString());
                        Interlocked.Increment(ref unknown);
                    }
                    catch (EtcdException e)
                    {
                        Assert.True(e.IsTransient, e.ToString());
                        lock (applied)
                            refused.Add(key);
                    }
                }
            })).ToList();
            await Wait.UntilAsync(() => Task.FromResult(Count() > 50 * (round + 1)), TimeSpan.FromSeconds(10), "writes");
            _first.Kill();
            Volatile.Write(ref down, true);
            await Task.WhenAll(writes);
            await _first.RestartAsync();
        }

        var keys = (await client.ListAsync("", Ct)).Entries.Select(e => e.Key).ToHashSet();
        Assert.Empty(applied.Except(keys));
        Assert.Empty(refused.Intersect(keys));
        Assert.NotEmpty(refused);
        Assert.InRange(keys.Count, applied.Count, applied.Count + unknown);

        int Count()
        {
            lock (applied)
                return applied.Count;
        }
    }

    [Fact]
    public async Task Watch_OfAPausedEtcd_IsNoticedByThePings()
    {
        await using var client = NewClient(_first.Endpoint, _second.Endpoint);
        await using var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        var next = watch.MoveNextAsync();
        _first.Pause();
        var clock = Stopwatch.StartNew();
        var e = await Wait.FailureAsync(next);
        Assert.True(e.IsTransient, e.ToString());
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(14));

        // That endpoint is left at once: a write to it would be unknown.
        await client.PutAsync("/w/a", "v", 0, Ct);
        Assert.Equal("v\n", await _second.CtlAsync("get", "/w/a", "--print-value-only"));
    }

    // The connect timeout is half of the request timeout here.
    private static EtcdClient NewClient(params Uri[] endpoints) => new(
        new EtcdClientOptions { Endpoints = endpoints, RequestTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);

    /// <summary>A listening socket that answers no SYN, because its queue is full.</summary>
    private sealed class FullListener : IDisposable
    {
        private readonly List<Socket> _sockets = [];

        internal FullListener()
        {
            var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
            _sockets.Add(listener);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen(0);
            Endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndPoint!).Port}");
            for (var i = 0; i < 4; i++)
            {
                var filler = new Socket(SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
                _sockets.Add(filler);
                try
                {
                    filler.Connect(IPAddress.Loopback, Endpoint.Port);
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
                {
                    // Under way, or stuck: either fills the queue.
                }
            }
        }

        internal Uri Endpoint { get; }

        public void Dispose() => _sockets.ForEach(s => s.Dispose());
    }
}
