namespace Accelerated.Agent.Etcd;

/// <summary>
/// One answer on a watch: all changes of one or more whole revisions, in order. Empty when etcd confirms the watch or
/// reports progress.
/// </summary>
/// <remarks>
/// A watch resumes from the last event's <see cref="EtcdEntry.ModRevision"/> plus one, <b>never</b> from
/// <paramref name="Revision"/>: while a watch catches up, etcd states the store's newest revision on batches that end
/// earlier, and a progress report can overtake events that are still to come (etcd issue 15220).
/// </remarks>
/// <param name="Revision">
/// Revision of the store as the answering member knew it when it sent the batch. In the first, empty batch a value below
/// the revision the watch was asked to start from, less one, means that the member lags or that the store was restored
/// from a backup and counts anew: read everything again.
/// </param>
/// <param name="Events">The changes, ascending by <see cref="EtcdEntry.ModRevision"/>; may be empty.</param>
public sealed record EtcdWatchBatch(long Revision, IReadOnlyList<EtcdWatchEvent> Events);
