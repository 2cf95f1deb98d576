namespace Accelerated.Agent.Etcd;

/// <summary>What a read returned.</summary>
/// <param name="Revision">
/// Revision of the whole store the entries were read at: a watch from <c>Revision + 1</c> continues exactly here.
/// </param>
/// <param name="Entries">The keys that exist, in ascending byte order of the key.</param>
public sealed record EtcdRange(long Revision, IReadOnlyList<EtcdEntry> Entries);
