using System.Net;

namespace Accelerated.Agent.State;

/// <summary>The node's own subnet lease.</summary>
/// <param name="Lease">The lease as last written or seen.</param>
/// <param name="IsProvisional">Restored from the last run and not yet confirmed by etcd.</param>
public sealed record OwnSubnet(SubnetLease Lease, bool IsProvisional)
{
    /// <summary>How long another node may take to answer a claim. What nobody answered by then is this node's.</summary>
    public static readonly TimeSpan ClaimSpan = TimeSpan.FromHours(1);

    /// <summary>When this node took a lease of which nothing but the PublicIP in it said that it is this node's; null for any other.</summary>
    public DateTimeOffset? Claimed { get; init; }

    /// <summary>
    /// Whether the subnet stays this node's under a PublicIP. A node that is given another address keeps its subnet; but one that has only just claimed a subnet by its
    /// address had a wrong one, as two nodes with one <c>--public-ip</c> have, and leaves the subnet to the node that it belongs to.
    /// </summary>
    public bool IsKeptAs(IPAddress publicIP, DateTimeOffset now) =>
        Equals(publicIP, Lease.Attributes.PublicIP) || Claimed is not { } claimed || now - claimed >= ClaimSpan;
}
