using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath;

/// <summary>One difference between what should be and what the kernel has.</summary>
/// <param name="Request">The request that removes it.</param>
/// <param name="Peer">Key of the peer it is for, or null for the node's own and for removals.</param>
public sealed record KernelChange(RouteRequest Request, string? Peer)
{
    /// <inheritdoc/>
    public override string ToString() => Request.Description;
}
