namespace Accelerated.Agent.State;

/// <summary>The node's own subnet lease.</summary>
/// <param name="Lease">The lease as last written or seen.</param>
/// <param name="IsProvisional">Restored from the last run and not yet confirmed by etcd.</param>
public sealed record OwnSubnet(SubnetLease Lease, bool IsProvisional);
