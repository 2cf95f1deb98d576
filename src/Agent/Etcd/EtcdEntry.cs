namespace Accelerated.Agent.Etcd;

/// <summary>One key as etcd holds it.</summary>
/// <param name="Key">The key, decoded as UTF-8; invalid bytes are replaced by U+FFFD.</param>
/// <param name="Value">The value, decoded as UTF-8; invalid bytes are replaced by U+FFFD.</param>
/// <param name="CreateRevision">Revision at which the key last came into being; 0 in a delete event.</param>
/// <param name="ModRevision">Revision of the last change; in a delete event, of the deletion.</param>
/// <param name="Version">Number of puts since the key came into being, from 1; 0 in a delete event.</param>
/// <param name="EtcdLease">Id of the etcd lease the key hangs on; 0 when it hangs on none.</param>
public sealed record EtcdEntry(string Key, string Value, long CreateRevision, long ModRevision, long Version, long EtcdLease);
