namespace Accelerated.Agent.State;

/// <summary>A subnet lease as it stands in etcd.</summary>
/// <param name="Key">The subnet, which is also the key's name.</param>
/// <param name="Attributes">Who holds it and how to reach it.</param>
/// <param name="ModRevision">Revision of the last write; 0 when restored and not yet confirmed by etcd.</param>
/// <param name="EtcdLease">The etcd lease (TTL) the key hangs on; 0 for a reservation, which never expires.</param>
public sealed record SubnetLease(SubnetKey Key, SubnetAttributes Attributes, long ModRevision, long EtcdLease);
