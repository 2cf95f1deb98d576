using Accelerated.Agent.State;

namespace Accelerated.Agent.Leases;

/// <summary>A subnet lease that is now the node's.</summary>
/// <param name="Lease">The lease.</param>
/// <param name="How">What had to be done, as a phrase for the log.</param>
/// <param name="Ttl">What is left of the etcd lease, or null for a reservation, which never expires.</param>
public sealed record AcquiredSubnet(SubnetLease Lease, string How, TimeSpan? Ttl)
{
    /// <summary>Nothing said that the lease was this node's, or it had another PublicIP, and it was written anew: another node may answer.</summary>
    public bool IsClaim { get; init; }
}
