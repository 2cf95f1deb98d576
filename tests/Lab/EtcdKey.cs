namespace Accelerated.Lab;

/// <summary>A key in etcd.</summary>
/// <param name="Key">Its name, such as <c>/coreos.com/network/subnets/10.5.60.0-24</c>.</param>
/// <param name="Value">Its value as text.</param>
/// <param name="LeaseId">The etcd lease it is attached to; 0 for none.</param>
/// <param name="ModRevision">The revision that wrote it last.</param>
public sealed record EtcdKey(string Key, string Value, long LeaseId, long ModRevision);
