namespace Accelerated.Agent.Etcd;

/// <summary>One change of a watched key.</summary>
/// <param name="Kind">Put or delete.</param>
/// <param name="Entry">The key after the change. A delete carries only the key and the revision: the value is "".</param>
/// <param name="Previous">
/// The key before the change, where etcd told it; the watches of <see cref="EtcdClient"/> do not ask for it.
/// </param>
public sealed record EtcdWatchEvent(EtcdWatchEventKind Kind, EtcdEntry Entry, EtcdEntry? Previous);
