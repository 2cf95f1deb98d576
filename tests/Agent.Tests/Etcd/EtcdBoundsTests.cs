using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>What is read from a real etcd is bounded, and too much of one thing hides nothing else.</summary>
public sealed class EtcdBoundsTests : IAsyncLifetime
{
    private EtcdProcess _etcd = null!;
    private EtcdClient _client = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _etcd = await EtcdProcess.StartAsync("--max-txn-ops=20000");
        _client = _etcd.NewClient();
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    [Fact]
    public async Task List_OfMoreThanOneMessageMayHold_IsReadInSmallerPages()
    {
        // 20 values of 1.4 MB: in one message they would be longer than what is read of one.
        var big = new string('x', 1_400_000);
        for (var i = 0; i < 20; i++)
            await _client.PutAsync($"/n/{i:00}", big, 0, Ct);
        await _client.PutAsync("/n/99", "v", 0, Ct);

        var list = (await _client.ListAsync("/n/", Ct)).Entries;

        Assert.Equal([.. Enumerable.Range(0, 20).Select(i => $"/n/{i:00}"), "/n/99"], list.Select(e => e.Key));
        Assert.Equal("v", list[^1].Value);
        Assert.All(list.SkipLast(1), e => Assert.Equal(EtcdMessages.LongestValue, e.Value.Length));
    }

    [Fact]
    public async Task Watch_OfALongValue_CutsIt()
    {
        var revision = await _client.PutAsync("/n/a", new string('x', 1_000_000), 0, Ct);
        await using var watch = _client.WatchAsync("/n/", revision, Ct).GetAsyncEnumerator(Ct);
        Assert.Equal(EtcdMessages.LongestValue, Assert.Single(await Wait.EventsAsync(watch, 1)).Entry.Value.Length);
    }

    [Fact]
    public async Task List_OfMoreKeysThanANetworkHas_IsRefused()
    {
        const int batch = 10_000;
        for (var from = 0; from <= EtcdMessages.MaxEntries; from += batch)
        {
            var start = from;
            await _client.TransactAsync([], [.. Enumerable.Range(start, batch).Select(i => EtcdOperation.Put($"/n/{i}", ""))], [], Ct);
        }

        var e = await Assert.ThrowsAsync<EtcdException>(() => _client.ListAsync("/n/", Ct));

        Assert.Equal("etcd holds more than 100000 keys below /n/: no network has so many subnets; remove what else is written there", e.Message);
        Assert.Equal((EtcdStatusCode.ResourceExhausted, false), (e.Code, e.IsTransient));
    }
}
