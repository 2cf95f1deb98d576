using System.Net;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Leases;

/// <summary>What a node asks for.</summary>
/// <param name="Plan">Which subnets there are.</param>
/// <param name="PublicIP">The node's identity.</param>
/// <param name="Previous">A subnet the node had before, to be taken again if it is free, or null.</param>
/// <param name="Attributes">
/// Makes the lease's value as it should be now. The argument is the value of the lease that is being adopted, or null for a new one.
/// </param>
public sealed record AcquireRequest(AddressPlan Plan, IPAddress PublicIP, IPNetwork? Previous, Func<SubnetAttributes?, SubnetAttributes> Attributes)
{
    /// <summary>
    /// Whether anything here says that it was this node that wrote a lease with its PublicIP. Where nothing does, another node may be alive
    /// behind it: the lease is adopted by a write of our own, which that node sees.
    /// </summary>
    public Func<SubnetLease, bool> IsOurs { get; init; } = _ => true;

    /// <summary>The lease this node holds, whatever PublicIP stands in it: after a change of address it is still this node's. Null for none.</summary>
    public SubnetLease? Held { get; init; }

    /// <summary>
    /// A lease this node had and leaves to another node, whose it is (<see cref="OwnSubnet.IsKeptAs"/>). Neither its subnet nor its VTEP MAC is taken again, and the etcd lease
    /// under which this node wrote it is revoked once there is another. Null for none.
    /// </summary>
    public SubnetLease? GivenUp { get; init; }

    /// <summary>Whether a lease is this node's: the one it holds, or one with its PublicIP.</summary>
    public bool IsMine(SubnetLease lease)
    {
        ArgumentNullException.ThrowIfNull(lease);
        return PublicIP.Equals(lease.Attributes.PublicIP) || Wrote(lease);
    }

    /// <summary>
    /// Whether a lease is the one this node holds, by its etcd lease: whatever stands in it that is not what this node wrote is not to
    /// become this node's.
    /// </summary>
    public bool Wrote(SubnetLease lease)
    {
        ArgumentNullException.ThrowIfNull(lease);
        return Held is { } held && lease.Key == held.Key && lease.EtcdLease == held.EtcdLease && (lease.EtcdLease != 0 || lease.Attributes == held.Attributes);
    }
}
