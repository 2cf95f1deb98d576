using System.Diagnostics;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>Watches against a real etcd.</summary>
public sealed class EtcdWatchTests : IAsyncLifetime
{
    private EtcdProcess _etcd = null!;
    private EtcdClient _client = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _etcd = await EtcdProcess.StartAsync();
        _client = _etcd.NewClient();
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    [Fact]
    public async Task Watch_FromARevision_DeliversAllBeforeAndAfterInOrder()
    {
        var start = await _client.PutAsync("/w/0", "not wanted", 0, Ct) + 1;
        var expected = new List<string>();
        async Task ChangeAsync(int i)
        {
            var deleted = i % 3 == 2;
            var revision = deleted ? await _client.DeleteAsync($"/w/{i - 1}", Ct) : await _client.PutAsync($"/w/{i}", $"v{i}", 0, Ct);
            expected.Add(deleted ? $"{revision} Delete /w/{i - 1} " : $"{revision} Put /w/{i} v{i}");
        }

        for (var i = 0; i < 150; i++)
            await ChangeAsync(i);

        await using var watch = _client.WatchAsync("/w/", start, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(start + 149, watch.Current.Revision);
        Assert.Empty(watch.Current.Events);
        for (var i = 150; i < 300; i++)
            await ChangeAsync(i);

        var events = await Wait.EventsAsync(watch, 300);
        Assert.Equal(expected, events.Select(e => $"{e.Entry.ModRevision} {e.Kind} {e.Entry.Key} {e.Entry.Value}"));
        Assert.All(events, e => Assert.Null(e.Previous));
        Assert.All(events.Where(e => e.Kind == EtcdWatchEventKind.Delete), e => Assert.Equal((0, 0, 0), (e.Entry.Version, e.Entry.CreateRevision, e.Entry.EtcdLease)));
    }

    [Fact]
    public async Task Watch_OfAPrefix_SeesNothingBesideIt()
    {
        await using var watch = _client.WatchAsync("/n/subnets", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        foreach (var key in new[] { "/n/config", "/n/subnet", "/n/subnets", "/n/subnets/a", "/n/subnett", "/n/subnets0", "/o", "/n/subnets/z" })
            await _etcd.CtlAsync("put", key, "v");

        var events = await Wait.EventsAsync(watch, 4);
        Assert.Equal(["/n/subnets", "/n/subnets/a", "/n/subnets0", "/n/subnets/z"], events.Select(e => e.Entry.Key));
    }

    [Fact]
    public async Task Watch_OfAnEtcdLeaseThatEnds_SeesTheDelete()
    {
        var grant = await _client.GrantAsync(TimeSpan.FromSeconds(600), Ct);
        var revision = await _client.PutAsync("/w/l", "v", grant.Id, Ct);
        await using var watch = _client.WatchAsync("/w/", revision, Ct).GetAsyncEnumerator(Ct);
        var put = Assert.Single(await Wait.EventsAsync(watch, 1));
        Assert.Equal(grant.Id, put.Entry.EtcdLease);
        await _client.RevokeAsync(grant.Id, Ct);
        Assert.Equal(new EtcdEntry("/w/l", "", 0, revision + 1, 0, 0), Assert.Single(await Wait.EventsAsync(watch, 1)).Entry);
    }

    [Fact]
    public async Task Watch_FromACompactedRevision_ThrowsWithTheOldestOneLeft()
    {
        var first = await _client.PutAsync("/w/a", "1", 0, Ct);
        for (var i = 0; i < 10; i++)
            await _client.PutAsync("/w/a", "2", 0, Ct);

        await _etcd.CtlAsync("compact", $"{first + 5}");
        var e = await Assert.ThrowsAsync<EtcdCompactedException>(async () =>
        {
            await foreach (var batch in _client.WatchAsync("/w/", first, Ct))
                Assert.Empty(batch.Events);
        });
        Assert.Equal(first + 5, e.CompactRevision);
        Assert.Equal((EtcdStatusCode.OutOfRange, false), (e.Code, e.IsTransient));

        await using var watch = _client.WatchAsync("/w/", e.CompactRevision, Ct).GetAsyncEnumerator(Ct);
        Assert.Equal(first + 5, (await Wait.EventsAsync(watch, 6))[0].Entry.ModRevision);
    }

    [Fact]
    public async Task Watch_OfABurstOf1000Events_IsCompleteAndFast()
    {
        await using var watch = _client.WatchAsync("/b/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        var value = new string('x', 300);
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => _client.PutAsync($"/b/{i}", value, 0, Ct)));
        var clock = Stopwatch.StartNew();
        var events = await Wait.EventsAsync(watch, 1000);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"took {clock.Elapsed}");
        Assert.Equal(1000, events.Select(e => e.Entry.Key).Distinct().Count());
        Assert.Equal(events.Select(e => e.Entry.ModRevision).Order(), events.Select(e => e.Entry.ModRevision));
    }

    [Fact]
    public async Task Watch_OfMoreThanOneMessageHolds_IsPutTogether()
    {
        // One transaction is one revision and may not be torn. Six values of 700 kB exceed what etcd puts in one message
        // (its request limit and half a megabyte), so it sends them in fragments.
        await using var big = await EtcdProcess.StartAsync("--max-request-bytes=8000000");
        await using var writer = big.NewClient();
        var values = Enumerable.Range(0, 6).Select(i => new string((char)('a' + i), 700_000)).ToList();
        var result = await writer.TransactAsync([], [.. values.Select((v, i) => EtcdOperation.Put($"/f/{i}", v))], [], Ct);
        big.Kill();
        await big.RestartAsync("--max-request-bytes=100000");
        await using var client = big.NewClient();
        await using var watch = client.WatchAsync("/f/", result.Revision, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(values.Select(v => v[..EtcdMessages.LongestValue]), watch.Current.Events.Select(e => e.Entry.Value));
    }

    [Fact]
    public async Task Watch_WhenEtcdIsKilled_FailsAtOnceAndWorksAgainAfterRestart()
    {
        var revision = await _client.PutAsync("/w/a", "1", 0, Ct);
        await using (var watch = _client.WatchAsync("/w/", revision, Ct).GetAsyncEnumerator(Ct))
        {
            await Wait.EventsAsync(watch, 1);
            var next = watch.MoveNextAsync();
            _etcd.Kill();
            var clock = Stopwatch.StartNew();
            var e = await Wait.FailureAsync(next);
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"took {clock.Elapsed}");
            Assert.Equal((EtcdStatusCode.Unavailable, true, false), (e.Code, e.IsTransient, e.OutcomeUnknown));
        }

        var refused = await Assert.ThrowsAsync<EtcdException>(() => _client.PutAsync("/w/a", "lost", 0, Ct));
        Assert.Equal($"etcd at {_etcd.Endpoint.GetLeftPart(UriPartial.Authority)}: connection refused", refused.Message);
        Assert.Equal((true, false), (refused.IsTransient, refused.OutcomeUnknown));

        await _etcd.RestartAsync();
        Assert.Equal("1", Assert.Single((await _client.GetAsync("/w/a", Ct)).Entries).Value);
        await using var again = _client.WatchAsync("/w/", revision + 1, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await again.MoveNextAsync());
        await _client.PutAsync("/w/a", "2", 0, Ct);
        Assert.Equal("2", Assert.Single(await Wait.EventsAsync(again, 1)).Entry.Value);
    }

    [Fact]
    public async Task Watch_WhenEtcdStops_IsTransient()
    {
        await using var watch = _client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        var next = watch.MoveNextAsync();
        _etcd.Terminate();
        var e = await Wait.FailureAsync(next);
        Assert.True(e.IsTransient, e.ToString());
    }

    [Fact]
    public async Task Watch_CancelledOrLeft_EndsOnEtcdsSideToo()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await using (var watch = _client.WatchAsync("/w/", 0, stop.Token).GetAsyncEnumerator(Ct))
        {
            Assert.True(await watch.MoveNextAsync());
            Assert.Equal(1, await WatchersAsync());
            var next = watch.MoveNextAsync();
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await next);
        }

        await foreach (var batch in _client.WatchAsync("/w/", 0, Ct))
        {
            Assert.Empty(batch.Events);
            break;
        }

        await Wait.UntilAsync(async () => await WatchersAsync() == 0, TimeSpan.FromSeconds(5), "etcd has no watcher left");
    }

    [Fact]
    public async Task Watch_WhenTheClientIsDisposed_Ends()
    {
        await using var client = _etcd.NewClient();
        await using var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        var next = watch.MoveNextAsync();
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await next);
    }

    [Fact]
    public async Task Watch_IdleFor15SecondsThenBusy_SurvivesItsPings()
    {
        // At pings every 2 s etcd ends the connection (ENHANCE_YOUR_CALM) after 9 s.
        var client = new EtcdClient(new EtcdClientOptions { Endpoints = [_etcd.Endpoint] }, TimeProvider.System);
        await using var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(15);)
        {
            Assert.True(await watch.MoveNextAsync());
            Assert.Empty(watch.Current.Events);
        }

        await _etcd.CtlAsync("put", "/w/a", "v");
        Assert.Equal("v", Assert.Single(await Wait.EventsAsync(watch, 1)).Entry.Value);
        await client.DisposeAsync();
    }

    private async Task<int> WatchersAsync()
    {
        using var http = new HttpClient();
        var metrics = await http.GetStringAsync(new Uri(_etcd.Endpoint, "/metrics"), Ct);
        var line = metrics.Split('\n').Single(l => l.StartsWith("etcd_debugging_mvcc_watcher_total ", StringComparison.Ordinal));
        return int.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
