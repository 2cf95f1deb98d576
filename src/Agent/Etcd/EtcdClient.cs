using System.Runtime.CompilerServices;
using Accelerated.Agent.Etcd.Proto;
using Google.Protobuf;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// etcd v3 over gRPC, on <see cref="SocketsHttpHandler"/> and without a gRPC library: one HTTP/2 connection per endpoint,
/// opened when needed, plain (prior knowledge) or TLS. Nothing is sent before the first call.
/// </summary>
public sealed class EtcdClient : IEtcdClient
{
    private const int PageSize = 1000;
    private const int SmallerBy = 8;
    private const int ListAttempts = 3;

    private readonly EtcdChannel _channel;

    /// <summary>Checks the options and reads the TLS files once; connects to nothing.</summary>
    /// <param name="options">How to reach etcd.</param>
    /// <param name="time">Clock of the timeouts.</param>
    /// <exception cref="EtcdOptionsException">An option is wrong; the message names the flag and the remedy.</exception>
    public EtcdClient(EtcdClientOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        _channel = new EtcdChannel(options, time);
    }

    /// <inheritdoc/>
    public string? CurrentEndpoint => _channel.Current;

    /// <inheritdoc/>
    public async Task<EtcdRange> GetAsync(string key, CancellationToken cancellationToken)
    {
        var request = new RangeRequest { Key = EtcdMessages.Bytes(key) };
        var answer = await _channel.ReadAsync(EtcdMethods.Range, request, cancellationToken).ConfigureAwait(false);
        return new EtcdRange(answer.Header.Revision, [.. answer.Kvs.Select(EtcdMessages.ToEntry)]);
    }

    /// <inheritdoc/>
    public async Task<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await ListOnceAsync(prefix, cancellationToken).ConfigureAwait(false);
            }
            catch (EtcdCompactedException) when (attempt < ListAttempts)
            {
                // Someone compacted the revision between two pages: begin anew at the newest one.
            }
        }
    }

    /// <inheritdoc/>
    public async Task<long> PutAsync(string key, string value, long etcdLease, CancellationToken cancellationToken)
    {
        var request = new PutRequest { Key = EtcdMessages.Bytes(key), Value = EtcdMessages.Bytes(value), Lease = etcdLease };
        var answer = await _channel.WriteAsync(EtcdMethods.Put, request, cancellationToken).ConfigureAwait(false);
        return answer.Header.Revision;
    }

    /// <inheritdoc/>
    public async Task<EtcdTransactionResult> TransactAsync(
        IReadOnlyList<EtcdCompare> when,
        IReadOnlyList<EtcdOperation> then,
        IReadOnlyList<EtcdOperation> otherwise,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(when);
        ArgumentNullException.ThrowIfNull(then);
        ArgumentNullException.ThrowIfNull(otherwise);
        var request = EtcdMessages.ToTransaction(when, then, otherwise);
        return EtcdMessages.ToResult(
            await _channel.WriteAsync(EtcdMethods.Txn, request, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public async Task<long> DeleteAsync(string key, CancellationToken cancellationToken)
    {
        var request = new DeleteRangeRequest { Key = EtcdMessages.Bytes(key) };
        var answer = await _channel.WriteAsync(EtcdMethods.DeleteRange, request, cancellationToken).ConfigureAwait(false);
        return answer.Header.Revision;
    }

    /// <inheritdoc/>
    public async Task<long> DeletePrefixAsync(string prefix, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        var (key, end) = EtcdMessages.Prefix(prefix);
        var request = new DeleteRangeRequest { Key = key, RangeEnd = end };
        var answer = await _channel.WriteAsync(EtcdMethods.DeleteRange, request, cancellationToken).ConfigureAwait(false);
        return answer.Header.Revision;
    }

    /// <inheritdoc/>
    public async Task<EtcdGrant> GrantAsync(TimeSpan ttl, CancellationToken cancellationToken)
    {
        var request = new LeaseGrantRequest { TTL = Math.Max(1, (long)Math.Ceiling(ttl.TotalSeconds)) };
        var answer = await _channel.WriteAsync(EtcdMethods.LeaseGrant, request, cancellationToken).ConfigureAwait(false);
        return new EtcdGrant(answer.ID, TimeSpan.FromSeconds(answer.TTL));
    }

    /// <inheritdoc/>
    public async Task RevokeAsync(long etcdLease, CancellationToken cancellationToken)
    {
        try
        {
            // etcd never gives an id twice, so revoking again hits nobody else's lease.
            _ = await _channel.ReadAsync(EtcdMethods.LeaseRevoke, new LeaseRevokeRequest { ID = etcdLease }, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (EtcdException e) when (e.Code == EtcdStatusCode.NotFound)
        {
            // Absent already, which is what was asked for.
        }
    }

    /// <inheritdoc/>
    public async Task<TimeSpan?> KeepAliveAsync(long etcdLease, CancellationToken cancellationToken)
    {
        var request = new LeaseKeepAliveRequest { ID = etcdLease };
        var answer = await _channel.ReadAsync(EtcdMethods.LeaseKeepAlive, request, cancellationToken).ConfigureAwait(false);
        return Ttl(answer.TTL);
    }

    /// <inheritdoc/>
    public async Task<TimeSpan?> TimeToLiveAsync(long etcdLease, CancellationToken cancellationToken)
    {
        var request = new LeaseTimeToLiveRequest { ID = etcdLease };
        var answer = await _channel.ReadAsync(EtcdMethods.LeaseTimeToLive, request, cancellationToken).ConfigureAwait(false);
        return Ttl(answer.TTL);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<EtcdWatchBatch> WatchAsync(string prefix, long fromRevision, CancellationToken cancellationToken)
    {
        var (key, end) = EtcdMessages.Prefix(prefix);
        return WatchAsync(key, end, fromRevision, cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<EtcdWatchBatch> WatchKeyAsync(string key, long fromRevision, CancellationToken cancellationToken) =>
        WatchAsync(EtcdMessages.Bytes(key), ByteString.Empty, fromRevision, cancellationToken);

    /// <inheritdoc/>
    public void Reconnect() => _channel.Reconnect();

    /// <summary>Ends all calls and watches with <see cref="ObjectDisposedException"/> and closes the connections.</summary>
    public ValueTask DisposeAsync()
    {
        _channel.Dispose();
        return ValueTask.CompletedTask;
    }

    private async IAsyncEnumerable<EtcdWatchBatch> WatchAsync(
        ByteString key, ByteString end, long fromRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new WatchRequest
        {
            CreateRequest = new WatchCreateRequest
            {
                Key = key,
                RangeEnd = end,
                StartRevision = fromRevision,
                ProgressNotify = true,
                Fragment = true,
            },
        };
        using var watch = await _channel.WatchAsync(request, cancellationToken).ConfigureAwait(false);
        yield return new EtcdWatchBatch(watch.Revision, []);
        while (true)
        {
            EtcdWatchBatch batch;
            try
            {
                batch = await watch.NextAsync().ConfigureAwait(false);
            }
            catch (EtcdException e) when (e.IsEndpointFault)
            {
                _channel.Leave(e.Endpoint);
                throw;
            }

            yield return batch;
        }
    }

    // 0 (keep-alive) and -1 (time to live) are etcd's ways to say that there is no such lease.
    private static TimeSpan? Ttl(long seconds) => seconds <= 0 ? null : TimeSpan.FromSeconds(seconds);

    private async Task<EtcdRange> ListOnceAsync(string prefix, CancellationToken cancellationToken)
    {
        var (key, end) = EtcdMessages.Prefix(prefix);
        var request = new RangeRequest { Key = key, RangeEnd = end, Limit = PageSize };
        var entries = new List<EtcdEntry>();
        while (true)
        {
            RangeResponse page;
            try
            {
                page = await _channel.ReadAsync(EtcdMethods.Range, request, cancellationToken).ConfigureAwait(false);
            }
            catch (EtcdException e) when (e.InnerException is MessageTooLongException && request.Limit > 1)
            {
                // A few values of the size etcd allows, wherever they are from, must not hide all others.
                request.Limit = Math.Max(1, request.Limit / SmallerBy);
                continue;
            }

            EtcdMessages.AddEntries(entries, page.Kvs);
            if (entries.Count > EtcdMessages.MaxEntries)
            {
                throw new EtcdException(
                    $"etcd holds more than {EtcdMessages.MaxEntries} keys below {prefix}: no network has so many subnets; remove what else is written there",
                    EtcdStatusCode.ResourceExhausted, endpoint: null, isTransient: false);
            }

            if (request.Revision == 0)
                request.Revision = page.Header.Revision;

            if (!page.More || page.Kvs.Count == 0)
                return new EtcdRange(request.Revision, entries);

            // The smallest key after the last one, by its bytes: the decoded text may have lost some.
            var last = page.Kvs[^1].Key.Span;
            var next = new byte[last.Length + 1];
            last.CopyTo(next);
            request.Key = UnsafeByteOperations.UnsafeWrap(next);
        }
    }
}
