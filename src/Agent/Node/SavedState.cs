using System.Net;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Node;

/// <summary>The state of a node as it is kept on disk: etcd's texts, so that it is read by the same parsers.</summary>
/// <param name="EtcdPrefix">The network it belongs to.</param>
/// <param name="PublicIP">The node's identity.</param>
/// <param name="Config">The network configuration's JSON.</param>
/// <param name="Subnet">The own lease's key, for example <c>10.5.1.0-24</c>.</param>
/// <param name="Leases">All leases, the own one included: key → value.</param>
/// <param name="EtcdLease">The etcd lease of the own one; 0 for a reservation, and in files of earlier versions.</param>
/// <param name="Machine">Which machine wrote it, see <see cref="MachineIdentity"/>; empty if that is not known.</param>
/// <param name="Claimed">See <see cref="OwnSubnet.Claimed"/>.</param>
public sealed record SavedState(
    string EtcdPrefix, string PublicIP, string Config, string Subnet, IReadOnlyDictionary<string, string> Leases, long EtcdLease = 0, string Machine = "",
    DateTimeOffset? Claimed = null)
{
    /// <summary>The state worth keeping, or null while it is not confirmed by etcd.</summary>
    public static SavedState? From(AgentInputs inputs, string etcdPrefix, string machine) =>
        inputs is { Config: { } config, Own: { IsProvisional: false } own, Leases: { IsComplete: true, IsProvisional: false } view }
            ? new SavedState(etcdPrefix, own.Lease.Attributes.PublicIP?.ToString() ?? "", config.Source, own.Lease.Key.ToString(),
                view.Leases.ToDictionary(l => l.Key, l => l.Value.Attributes.ToJson(), StringComparer.Ordinal), own.Lease.EtcdLease, machine, own.Claimed)
            : null;

    /// <summary>
    /// The inputs it stands for, all of them provisional; null when it is another network's or another node's. A machine whose address
    /// changed while no agent ran is the same node.
    /// </summary>
    /// <exception cref="NetworkConfigException">The config in it is not valid any more.</exception>
    public AgentInputs? ToInputs(AgentInputs empty, string etcdPrefix, IPAddress publicIP, string machine)
    {
        if (EtcdPrefix != etcdPrefix || (PublicIP != publicIP.ToString() && (Machine.Length == 0 || Machine != machine)))
            return null;
        var view = LeaseViewBuilder.FromSaved(Leases);
        return view.Leases.TryGetValue(Subnet, out var own)
            ? empty with
            {
                Config = NetworkConfigParser.Parse(Config),
                Own = new OwnSubnet(own with { EtcdLease = EtcdLease }, IsProvisional: true) { Claimed = Claimed },
                Leases = view,
            }
            : null;
    }
}
