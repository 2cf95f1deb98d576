using System.Globalization;
using System.Text.Json;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>Keys, transactions and etcd leases against a real etcd, compared with what etcdctl says.</summary>
public sealed class EtcdClientTests : IAsyncLifetime
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
    public async Task Put_OfAKey_IsWhatEtcdctlReads()
    {
        var lease = await _client.GrantAsync(TimeSpan.FromSeconds(600), Ct);
        await _client.PutAsync("/k/ä", "first", 0, Ct);
        var revision = await _client.PutAsync("/k/ä", "{\"PublicIP\":\"192.0.2.1\"}\n", lease.Id, Ct);

        using var json = JsonDocument.Parse(await _etcd.CtlAsync("get", "/k/ä", "-w", "json"));
        var kv = json.RootElement.GetProperty("kvs")[0];
        Assert.Equal("/k/ä"u8, kv.GetProperty("key").GetBytesFromBase64());
        Assert.Equal("{\"PublicIP\":\"192.0.2.1\"}\n"u8, kv.GetProperty("value").GetBytesFromBase64());

        var range = await _client.GetAsync("/k/ä", Ct);
        var entry = Assert.Single(range.Entries);
        Assert.Equal("{\"PublicIP\":\"192.0.2.1\"}\n", entry.Value);
        Assert.Equal("/k/ä", entry.Key);
        Assert.Equal(kv.GetProperty("create_revision").GetInt64(), entry.CreateRevision);
        Assert.Equal(kv.GetProperty("mod_revision").GetInt64(), entry.ModRevision);
        Assert.Equal(kv.GetProperty("version").GetInt64(), entry.Version);
        Assert.Equal(kv.GetProperty("lease").GetInt64(), entry.EtcdLease);
        Assert.Equal(json.RootElement.GetProperty("header").GetProperty("revision").GetInt64(), range.Revision);
        Assert.Equal((revision, revision - 1, 2L, lease.Id), (entry.ModRevision, entry.CreateRevision, entry.Version, entry.EtcdLease));
        Assert.Equal(_etcd.Endpoint.GetLeftPart(UriPartial.Authority), _client.CurrentEndpoint);
    }

    [Fact]
    public async Task Get_OfWhatEtcdctlPut_ReplacesInvalidBytes()
    {
        await _etcd.CtlAsync("put", "plain", "tab\tand ünïcode");
        Assert.Equal("tab\tand ünïcode", (await _client.GetAsync("plain", Ct)).Entries[0].Value);
        Assert.Empty((await _client.GetAsync("plai", Ct)).Entries);

        await _etcd.CtlAsync([.. "ok "u8, 0xff, 0xfe], "put", "raw");
        Assert.Equal("ok \ufffd\ufffd", (await _client.GetAsync("raw", Ct)).Entries[0].Value);
    }

    [Fact]
    public async Task Delete_OfKeysAndPrefixes_RemovesJustThose()
    {
        foreach (var key in new[] { "a", "a/1", "a/2", "b/1", "b/2", "b0" })
            await _client.PutAsync(key, "x", 0, Ct);

        var before = (await _client.GetAsync("a", Ct)).Revision;
        Assert.Equal(before + 1, await _client.DeleteAsync("a", Ct));
        Assert.Equal(before + 1, await _client.DeleteAsync("a", Ct));
        Assert.Equal(before + 2, await _client.DeletePrefixAsync("b/", Ct));
        Assert.Equal("a/1\na/2\nb0\n", (await _etcd.CtlAsync("get", "", "--from-key", "--keys-only")).Replace("\n\n", "\n", StringComparison.Ordinal));
        await Assert.ThrowsAsync<ArgumentException>(() => _client.DeletePrefixAsync("", Ct));
        Assert.Equal(3, (await _client.ListAsync("", Ct)).Entries.Count);
    }

    [Fact]
    public async Task List_Of3500KeysBeingModified_IsOneRevisionCompleteAndSorted()
    {
        const int count = 3500;
        await PutManyAsync("/net/subnets/", count);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await using var other = _etcd.NewClient();
        var writes = 0;
        var writer = Task.Run(
            async () =>
            {
                // Rewrites all, adds one at the front and removes one at the back, over and over.
                for (var i = 0; !stop.IsCancellationRequested; i++)
                {
                    await other.PutAsync($"/net/subnets/{i % count:D5}", $"new {i}", 0, Ct);
                    await other.PutAsync($"/net/subnets/+{i:D5}", "added", 0, Ct);
                    await other.DeleteAsync($"/net/subnets/{count - 1 - (i % count):D5}", Ct);
                    Interlocked.Increment(ref writes);
                }
            },
            Ct);

        var revisions = new HashSet<long>();
        for (var round = 0; round < 5 || Volatile.Read(ref writes) < 50; round++)
        {
            var list = await _client.ListAsync("/net/subnets/", Ct);
            revisions.Add(list.Revision);
            using var json = JsonDocument.Parse(
                await _etcd.CtlAsync("get", "--prefix", "/net/subnets/", $"--rev={list.Revision}", "-w", "json"));
            var expected = json.RootElement.GetProperty("kvs").EnumerateArray()
                .Select(kv => (kv.GetProperty("key").GetString(), kv.GetProperty("mod_revision").GetInt64()));
            Assert.Equal(expected, list.Entries.Select(e => ((string?)Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(e.Key)), e.ModRevision)));
            Assert.All(list.Entries, e => Assert.InRange(e.ModRevision, 1, list.Revision));
        }

        await stop.CancelAsync();
        await writer;
        Assert.True(revisions.Count > 1, "the store did not change between the lists, so nothing was shown");
    }

    [Fact]
    public async Task List_OfAPrefix_StopsAtItsBoundary()
    {
        foreach (var key in new[] { "p", "p/", "p/subnet", "p/subnets", "p/subnets/a", "p/subnets0", "p/subnett", "q" })
            await _client.PutAsync(key, key, 0, Ct);

        var keys = (await _client.ListAsync("p/subnets", Ct)).Entries.Select(e => e.Key);
        Assert.Equal(["p/subnets", "p/subnets/a", "p/subnets0"], keys);
        Assert.Empty((await _client.ListAsync("p/subnets/a/", Ct)).Entries);
    }

    [Fact]
    public async Task Transact_ByTwentyClientsForOneKey_LetsExactlyOneWin()
    {
        for (var round = 0; round < 5; round++)
        {
            var key = $"/race/{round}";
            var clients = Enumerable.Range(0, 20).Select(_ => _etcd.NewClient()).ToList();
            var results = await Task.WhenAll(clients.Select((client, i) => Task.Run(() => client.TransactAsync(
                [EtcdCompare.Version(key, 0)], [EtcdOperation.Put(key, $"{i}")], [EtcdOperation.Get(key)], Ct))));

            var winner = Assert.Single(results.Index(), r => r.Item.Succeeded);
            var value = $"{winner.Index}";
            Assert.Equal(value, (await _etcd.CtlAsync("get", key, "--print-value-only")).Trim());
            Assert.All(results.Where(r => !r.Succeeded), r => Assert.Equal(value, Assert.Single(r.Entries).Value));
            Assert.Equal(winner.Item.Revision, (await _client.GetAsync(key, Ct)).Entries[0].ModRevision);
            foreach (var client in clients)
                await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task Transact_OnEachKindOfCondition_TakesTheRightBranch()
    {
        var revision = await _client.PutAsync("k", "v", 0, Ct);
        var sure = new[] { EtcdCompare.ModRevision("k", revision), EtcdCompare.Version("k", 1), EtcdCompare.Value("k", "v"), EtcdCompare.ModRevision("absent", 0) };
        var result = await _client.TransactAsync(
            sure, [EtcdOperation.Get("k"), EtcdOperation.Get("absent"), EtcdOperation.Delete("k"), EtcdOperation.Put("n", "1")], [], Ct);
        Assert.True(result.Succeeded);
        Assert.Equal(revision + 1, result.Revision);
        Assert.Equal("v", Assert.Single(result.Entries).Value);
        Assert.Equal("1\n", await _etcd.CtlAsync("get", "", "--from-key", "--print-value-only"));

        EtcdCompare[] wrong =
        [
            EtcdCompare.ModRevision("n", revision), EtcdCompare.Version("n", 0), EtcdCompare.Value("n", "2"), EtcdCompare.Value("absent", ""),
        ];
        foreach (var condition in wrong)
        {
            result = await _client.TransactAsync([EtcdCompare.Version("n", 1), condition], [EtcdOperation.Delete("n")], [EtcdOperation.Get("n")], Ct);
            Assert.False(result.Succeeded);
            Assert.Equal("1", Assert.Single(result.Entries).Value);
        }
    }

    [Fact]
    public async Task Transact_ThatPutsOneKeyTwice_IsRefusedForGood()
    {
        var e = await Assert.ThrowsAsync<EtcdException>(() => _client.TransactAsync(
            [], [EtcdOperation.Put("k", "1"), EtcdOperation.Put("k", "2")], [], Ct));
        Assert.Equal((EtcdStatusCode.InvalidArgument, false, false), (e.Code, e.IsTransient, e.OutcomeUnknown));
        Assert.Equal($"etcd at {_etcd.Endpoint.GetLeftPart(UriPartial.Authority)}: etcdserver: duplicate key given in txn request", e.Message);
        Assert.Empty((await _client.GetAsync("k", Ct)).Entries);
    }

    [Fact]
    public async Task EtcdLease_KeptAliveThenRevoked_LivesAndTakesItsKeysAlong()
    {
        var grant = await _client.GrantAsync(TimeSpan.FromSeconds(86_400), Ct);
        Assert.Equal(TimeSpan.FromDays(1), grant.Ttl);
        await _client.PutAsync("/l", "v", grant.Id, Ct);
        var id = grant.Id.ToString("x16", CultureInfo.InvariantCulture);
        Assert.Contains($"lease {id} granted with TTL(86400s)", await _etcd.CtlAsync("lease", "timetolive", id), StringComparison.Ordinal);

        Assert.Equal(TimeSpan.FromDays(1), await _client.KeepAliveAsync(grant.Id, Ct));
        Assert.InRange((await _client.TimeToLiveAsync(grant.Id, Ct))!.Value.TotalSeconds, 86_300, 86_400);

        await _client.RevokeAsync(grant.Id, Ct);
        await _client.RevokeAsync(grant.Id, Ct);
        Assert.Contains("already expired", await _etcd.CtlAsync("lease", "timetolive", id), StringComparison.Ordinal);
        Assert.Null(await _client.KeepAliveAsync(grant.Id, Ct));
        Assert.Null(await _client.TimeToLiveAsync(grant.Id, Ct));
        Assert.Empty((await _client.GetAsync("/l", Ct)).Entries);

        var e = await Assert.ThrowsAsync<EtcdException>(() => _client.PutAsync("/l", "v", grant.Id, Ct));
        Assert.Equal((EtcdStatusCode.NotFound, false, false), (e.Code, e.IsTransient, e.OutcomeUnknown));
    }

    [Fact]
    public async Task EtcdLease_OfTwoSeconds_LivesWhileKeptAliveAndEndsAfter()
    {
        var grant = await _client.GrantAsync(TimeSpan.FromSeconds(1.2), Ct);
        Assert.Equal(TimeSpan.FromSeconds(2), grant.Ttl);
        await _client.PutAsync("/short", "v", grant.Id, Ct);

        var clock = System.Diagnostics.Stopwatch.StartNew();
        await Wait.UntilAsync(
            async () =>
            {
                Assert.Equal(grant.Ttl, await _client.KeepAliveAsync(grant.Id, Ct));
                Assert.Single((await _client.GetAsync("/short", Ct)).Entries);
                return clock.Elapsed > 2 * grant.Ttl;
            },
            TimeSpan.FromSeconds(20),
            "twice the TTL of the lease");
        await Wait.UntilAsync(
            async () => (await _client.GetAsync("/short", Ct)).Entries.Count == 0, TimeSpan.FromSeconds(20), "the key goes with its lease");
        Assert.Null(await _client.TimeToLiveAsync(grant.Id, Ct));
        Assert.Null(await _client.KeepAliveAsync(grant.Id, Ct));
    }

    [Fact]
    public async Task Call_CancelledByTheCaller_ThrowsThat()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _client.GetAsync("k", cancelled.Token));
    }

    [Fact]
    public async Task Call_AfterDispose_ThrowsThat()
    {
        var client = _etcd.NewClient();
        await client.GetAsync("k", Ct);
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetAsync("k", Ct));
    }

    private async Task PutManyAsync(string prefix, int count)
    {
        for (var from = 0; from < count; from += 100)
        {
            var puts = Enumerable.Range(from, Math.Min(100, count - from)).Select(i => EtcdOperation.Put($"{prefix}{i:D5}", "old"));
            Assert.True((await _client.TransactAsync([], [.. puts], [], Ct)).Succeeded);
        }
    }
}
