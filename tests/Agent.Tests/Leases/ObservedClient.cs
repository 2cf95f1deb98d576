using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>A client of a real etcd that is looked at: calls are counted, and a test can act between a call's being made and its being sent.</summary>
internal sealed class ObservedClient(IEtcdClient inner) : IEtcdClient
{
    private readonly ConcurrentDictionary<string, int> _calls = new();
    private readonly ConcurrentDictionary<string, Func<Task>> _once = new();

    public string? CurrentEndpoint => inner.CurrentEndpoint;

    /// <summary>What each call waits for before it goes out; null for nothing.</summary>
    internal Func<Task>? BeforeEach { get; set; }

    /// <summary>How often a method was called.</summary>
    internal int Calls(string method) => _calls.GetValueOrDefault(method);

    /// <summary>The calls that can change the store.</summary>
    internal int Writes() => Calls(nameof(PutAsync)) + Calls(nameof(TransactAsync)) + Calls(nameof(DeleteAsync)) + Calls(nameof(DeletePrefixAsync));

    /// <summary>Runs <paramref name="act"/> before the next call of a method goes out, once.</summary>
    internal void BeforeNext(string method, Func<Task> act) => _once[method] = act;

    public async Task<EtcdRange> GetAsync(string key, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.GetAsync(key, cancellationToken);
    }

    public async Task<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.ListAsync(prefix, cancellationToken);
    }

    public async Task<long> PutAsync(string key, string value, long etcdLease, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.PutAsync(key, value, etcdLease, cancellationToken);
    }

    public async Task<EtcdTransactionResult> TransactAsync(
        IReadOnlyList<EtcdCompare> when, IReadOnlyList<EtcdOperation> then, IReadOnlyList<EtcdOperation> otherwise, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.TransactAsync(when, then, otherwise, cancellationToken);
    }

    public async Task<long> DeleteAsync(string key, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.DeleteAsync(key, cancellationToken);
    }

    public async Task<long> DeletePrefixAsync(string prefix, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.DeletePrefixAsync(prefix, cancellationToken);
    }

    public async Task<EtcdGrant> GrantAsync(TimeSpan ttl, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.GrantAsync(ttl, cancellationToken);
    }

    public async Task RevokeAsync(long etcdLease, CancellationToken cancellationToken)
    {
        await EnterAsync();
        await inner.RevokeAsync(etcdLease, cancellationToken);
    }

    public async Task<TimeSpan?> KeepAliveAsync(long etcdLease, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.KeepAliveAsync(etcdLease, cancellationToken);
    }

    public async Task<TimeSpan?> TimeToLiveAsync(long etcdLease, CancellationToken cancellationToken)
    {
        await EnterAsync();
        return await inner.TimeToLiveAsync(etcdLease, cancellationToken);
    }

    public async IAsyncEnumerable<EtcdWatchBatch> WatchAsync(
        string prefix, long fromRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await EnterAsync();
        await foreach (var batch in inner.WatchAsync(prefix, fromRevision, cancellationToken))
            yield return batch;
    }

    public async IAsyncEnumerable<EtcdWatchBatch> WatchKeyAsync(
        string key, long fromRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await EnterAsync();
        await foreach (var batch in inner.WatchKeyAsync(key, fromRevision, cancellationToken))
            yield return batch;
    }

    public void Reconnect() => inner.Reconnect();

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async Task EnterAsync([CallerMemberName] string method = "")
    {
        _calls.AddOrUpdate(method, 1, (_, count) => count + 1);
        if (BeforeEach is { } wait)
            await wait();
        if (_once.TryRemove(method, out var act))
            await act();
    }
}
