using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>A cluster of three members that loses some.</summary>
public sealed class EtcdClusterTests : IAsyncLifetime
{
    private IReadOnlyList<EtcdProcess> _members = [];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _members = await EtcdProcess.StartClusterAsync(3);

    public async ValueTask DisposeAsync()
    {
        foreach (var member in _members)
            await member.DisposeAsync();
    }

    [Fact]
    public async Task Watch_ResumedWhenItsMemberDies_MissesNothingAndRepeatsNothing()
    {
        await using var writer = NewClient(_members[2], _members[1]);
        await using var client = NewClient(_members[0], _members[1], _members[2]);
        var expected = new List<long>();
        var seen = new List<long>();
        var from = (await client.GetAsync("/w/", Ct)).Revision + 1;
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var watching = Task.Run(
            async () =>
            {
                while (true)
                {
                    try
                    {
                        await foreach (var batch in client.WatchAsync("/w/", from, done.Token))
                        {
                            foreach (var e in batch.Events)
                            {
                                lock (seen)
                                    seen.Add(e.Entry.ModRevision);

                                from = e.Entry.ModRevision + 1;
                            }
                        }
                    }
                    catch (EtcdException e) when (e.IsTransient)
                    {
                        // Another member next.
                    }
                }
            },
            Ct);

        for (var i = 0; i < 400; i++)
        {
            if (i == 150)
                _members[0].Kill();

            try
            {
                expected.Add(await writer.PutAsync($"/w/{i}", "v", 0, Ct));
            }
            catch (EtcdException e) when (e.IsTransient)
            {
                // The killed member may have been the leader: again, under another number. If it was applied, the watch sees it.
            }
        }

        await Wait.UntilAsync(
            () =>
            {
                lock (seen)
                    return Task.FromResult(seen.Contains(expected[^1]));
            },
            TimeSpan.FromSeconds(15),
            "the last event");
        await done.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
        Assert.Equal(seen.Order(), seen);
        Assert.Equal(seen.Distinct().Count(), seen.Count);
        Assert.Empty(expected.Except(seen));
        Assert.NotEqual(NameOf(_members[0]), client.CurrentEndpoint);
    }

    [Fact]
    public async Task Calls_ToAMemberCutOffFromItsCluster_AreRefusedForWantOfALeader()
    {
        await using var client = NewClient(_members[0]);
        await client.PutAsync("k", "v", 0, Ct);
        await using var watch = client.WatchAsync("/w/", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync());
        var next = watch.MoveNextAsync();
        _members[1].Kill();
        _members[2].Kill();

        // Without "hasleader" the watch would stay silent for ever.
        var e = await Wait.FailureAsync(next);
        Assert.Contains("no leader", e.Message, StringComparison.Ordinal);
        Assert.True(e.IsTransient);

        var put = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "w", 0, Ct));
        Assert.Contains("etcdserver: no leader", put.Message, StringComparison.Ordinal);
        Assert.Equal((EtcdStatusCode.Unavailable, true, false), (put.Code, put.IsTransient, put.OutcomeUnknown));

        await _members[1].RestartAsync();
        await Wait.UntilAsync(
            async () =>
            {
                try
                {
                    await client.PutAsync("k", "x", 0, Ct);
                    return true;
                }
                catch (EtcdException failed) when (failed.IsTransient)
                {
                    return false;
                }
            },
            TimeSpan.FromSeconds(20),
            "a leader again");
    }

    private static EtcdClient NewClient(params EtcdProcess[] members) =>
        new(new EtcdClientOptions { Endpoints = [.. members.Select(m => m.Endpoint)] }, TimeProvider.System);

    private static string NameOf(EtcdProcess member) => member.Endpoint.GetLeftPart(UriPartial.Authority);
}
