namespace Accelerated.Agent.Etcd;

/// <summary>What a transaction did.</summary>
/// <param name="Succeeded">All conditions held and the <c>then</c> branch ran; otherwise <c>otherwise</c> ran.</param>
/// <param name="Revision">Revision of the store after it; what it put has this as <see cref="EtcdEntry.ModRevision"/>.</param>
/// <param name="Entries">What the Gets of the branch taken found, in the order of the Gets; absent keys are left out.</param>
public sealed record EtcdTransactionResult(bool Succeeded, long Revision, IReadOnlyList<EtcdEntry> Entries);
