namespace Accelerated.Agent.Etcd;

/// <summary>
/// The revision asked for is gone from etcd's history: read everything again and watch from there.
/// Transient only in that sense; the same call will fail again.
/// </summary>
public sealed class EtcdCompactedException : EtcdException
{
    /// <summary>Makes one.</summary>
    /// <param name="message">The whole message, endpoint included.</param>
    /// <param name="endpoint">Who said so.</param>
    /// <param name="compactRevision">Oldest revision still readable; 0 when etcd did not say.</param>
    /// <param name="inner">What lies underneath, if anything.</param>
    public EtcdCompactedException(string message, Uri? endpoint, long compactRevision, Exception? inner = null)
        : base(message, EtcdStatusCode.OutOfRange, endpoint, isTransient: false, inner) => CompactRevision = compactRevision;

    /// <summary>Oldest revision still readable; 0 when etcd did not say (reads at a revision do not).</summary>
    public long CompactRevision { get; }
}
