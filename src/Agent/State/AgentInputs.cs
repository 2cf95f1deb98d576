using System.Collections.Immutable;
using System.Net;

namespace Accelerated.Agent.State;

/// <summary>All that is known from outside the kernel, as one value. Producers replace parts of it; the reconcile loop reads it whole.</summary>
/// <param name="Config">The network's configuration, or null while it is waited for.</param>
/// <param name="Own">The node's own subnet lease, or null before it has one.</param>
/// <param name="Leases">All leases of the network.</param>
/// <param name="Etcd">How the connection to etcd is.</param>
/// <param name="Transport">The backend type that this node can take part by, as the datapath found; null while that is not known.</param>
/// <param name="PublicIP">The address that peers are to be told, as the node has it now; null while that is not known.</param>
/// <param name="Problems">What the control plane has to complain about, by code.</param>
public sealed record AgentInputs(
    NetworkConfig? Config, OwnSubnet? Own, LeaseView Leases, EtcdHealth Etcd, string? Transport, IPAddress? PublicIP, ImmutableSortedDictionary<string, Problem> Problems)
{
    /// <summary>Nothing known yet.</summary>
    public static readonly AgentInputs Empty = new(
        null, null, LeaseView.Empty, EtcdHealth.NotTried, null, null, ImmutableSortedDictionary.Create<string, Problem>(StringComparer.Ordinal));
}
