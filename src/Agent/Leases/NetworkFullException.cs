using Accelerated.Agent.State;

namespace Accelerated.Agent.Leases;

/// <summary>Every subnet of the network is taken.</summary>
public sealed class NetworkFullException : Exception
{
    /// <inheritdoc cref="NetworkFullException"/>
    public NetworkFullException(AddressPlan plan)
        : base($"no free subnet: every /{plan.SubnetLength} from {plan.SubnetMin} to {plan.SubnetMax} is leased. Free one (etcdctl del), or widen Network, SubnetMin/SubnetMax or SubnetLen in the config")
    {
    }
}
