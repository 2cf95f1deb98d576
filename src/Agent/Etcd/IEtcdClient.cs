namespace Accelerated.Agent.Etcd;

/// <summary>
/// The part of etcd v3 the agent uses. All calls may be made concurrently. Each throws <see cref="EtcdException"/> when
/// etcd cannot be reached or refuses, and <see cref="OperationCanceledException"/> only for the caller's own token.
/// </summary>
/// <remarks>
/// A call is bounded per endpoint by <see cref="EtcdClientOptions.RequestTimeout"/>. Reads, and writes that cannot have been
/// applied, are tried once on each further endpoint within the call; a write that may have been applied is not sent again
/// but reported with <see cref="EtcdException.OutcomeUnknown"/>. Every call asks for a member that sees a leader: one that
/// is cut off from its cluster refuses at once instead of letting the call run into its timeout.
/// </remarks>
public interface IEtcdClient : IAsyncDisposable
{
    /// <summary>The endpoint that answered last, as <c>scheme://host:port</c>; null before the first answer.</summary>
    string? CurrentEndpoint { get; }

    /// <summary>Reads one key. Equals <c>etcdctl get KEY</c>.</summary>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The entry, or none when the key is absent.</returns>
    Task<EtcdRange> GetAsync(string key, CancellationToken cancellationToken);

    /// <summary>
    /// Reads all keys that begin with a prefix, in pages but as of one revision. Equals <c>etcdctl get --prefix</c>.
    /// </summary>
    /// <param name="prefix">The prefix; "" is the whole store.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The entries in ascending byte order of the key, and the revision they were read at.</returns>
    Task<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Writes one key, whatever it held. Equals <c>etcdctl put</c>.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value, stored as UTF-8.</param>
    /// <param name="etcdLease">Id of the etcd lease to hang it on; 0 for none.</param>
    /// <param name="cancellationToken">Gives the call up; the write may still happen.</param>
    /// <returns>The revision of the write.</returns>
    Task<long> PutAsync(string key, string value, long etcdLease, CancellationToken cancellationToken);

    /// <summary>
    /// Runs one of two branches in one step, depending on conditions. Equals <c>etcdctl txn</c>.
    /// etcd allows 128 operations in a branch unless configured otherwise.
    /// </summary>
    /// <param name="when">The conditions, all of which must hold; none always hold.</param>
    /// <param name="then">What to do when they hold.</param>
    /// <param name="otherwise">What to do when one does not.</param>
    /// <param name="cancellationToken">Gives the call up; the transaction may still happen.</param>
    /// <returns>Which branch ran and what it read.</returns>
#pragma warning disable CA1716 // These are Visual Basic's keywords; the names are etcd's, and nobody implements this in Basic.
    Task<EtcdTransactionResult> TransactAsync(
        IReadOnlyList<EtcdCompare> when,
        IReadOnlyList<EtcdOperation> then,
        IReadOnlyList<EtcdOperation> otherwise,
        CancellationToken cancellationToken);
#pragma warning restore CA1716

    /// <summary>Removes one key; an absent one is no error. Equals <c>etcdctl del KEY</c>.</summary>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Gives the call up; the deletion may still happen.</param>
    /// <returns>The revision of the store afterwards.</returns>
    Task<long> DeleteAsync(string key, CancellationToken cancellationToken);

    /// <summary>Removes all keys that begin with a prefix. Equals <c>etcdctl del --prefix</c>.</summary>
    /// <param name="prefix">The prefix; "" is refused with <see cref="ArgumentException"/>, it would empty the store.</param>
    /// <param name="cancellationToken">Gives the call up; the deletion may still happen.</param>
    /// <returns>The revision of the store afterwards.</returns>
    Task<long> DeletePrefixAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Grants an etcd lease. Equals <c>etcdctl lease grant</c>.</summary>
    /// <param name="ttl">Its time to live, rounded up to whole seconds, at least 1.</param>
    /// <param name="cancellationToken">Gives the call up; a lease nobody knows of may remain until it ends by itself.</param>
    /// <returns>The lease.</returns>
    Task<EtcdGrant> GrantAsync(TimeSpan ttl, CancellationToken cancellationToken);

    /// <summary>Ends an etcd lease and removes its keys; an absent one is no error. Equals <c>etcdctl lease revoke</c>.</summary>
    /// <param name="etcdLease">Id of the etcd lease.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    Task RevokeAsync(long etcdLease, CancellationToken cancellationToken);

    /// <summary>Sets an etcd lease back to its full time to live. Equals <c>etcdctl lease keep-alive --once</c>.</summary>
    /// <param name="etcdLease">Id of the etcd lease.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The time to live from now; null when the lease is gone.</returns>
    Task<TimeSpan?> KeepAliveAsync(long etcdLease, CancellationToken cancellationToken);

    /// <summary>Reads how long an etcd lease has to live. Equals <c>etcdctl lease timetolive</c>.</summary>
    /// <param name="etcdLease">Id of the etcd lease.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The time left, whole seconds; null when the lease is gone.</returns>
    Task<TimeSpan?> TimeToLiveAsync(long etcdLease, CancellationToken cancellationToken);

    /// <summary>
    /// Watches all keys that begin with a prefix. Equals <c>etcdctl watch --prefix --rev=N</c>. The first batch is empty and
    /// comes when etcd has confirmed the watch. Ends only by an exception or by the caller.
    /// </summary>
    /// <param name="prefix">The prefix; "" is the whole store.</param>
    /// <param name="fromRevision">The first revision wanted, as a rule that of a snapshot plus one; 0: from now on.</param>
    /// <param name="cancellationToken">Ends the watch.</param>
    /// <returns>The changes, none missing, none twice, in order of revision; see <see cref="EtcdWatchBatch"/>.</returns>
    /// <exception cref="EtcdCompactedException"><paramref name="fromRevision"/> is no longer in etcd's history.</exception>
    /// <exception cref="EtcdException">Transient: the stream ended, the endpoint failed or lost its leader.</exception>
    IAsyncEnumerable<EtcdWatchBatch> WatchAsync(string prefix, long fromRevision, CancellationToken cancellationToken);

    /// <summary>Watches one key, which is all that a role limited to it allows. Equals <c>etcdctl watch --rev=N</c>.</summary>
    /// <param name="key">The key.</param>
    /// <param name="fromRevision">As for <see cref="WatchAsync"/>.</param>
    /// <param name="cancellationToken">Ends the watch.</param>
    /// <returns>As for <see cref="WatchAsync"/>.</returns>
    /// <exception cref="EtcdCompactedException">As for <see cref="WatchAsync"/>.</exception>
    /// <exception cref="EtcdException">As for <see cref="WatchAsync"/>.</exception>
    IAsyncEnumerable<EtcdWatchBatch> WatchKeyAsync(string key, long fromRevision, CancellationToken cancellationToken);

    /// <summary>
    /// Ends every connection, so that what follows uses new ones, with the TLS files as they are now. Calls under way fail as if the connection was lost.
    /// </summary>
    void Reconnect();
}
