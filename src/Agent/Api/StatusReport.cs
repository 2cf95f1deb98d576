using System.Text.Json.Serialization;
using Accelerated.Agent.Datapath;

namespace Accelerated.Agent.Api;

/// <summary>What <c>accelerated status --json</c> prints: one line, these names. Names are only ever added.</summary>
/// <param name="Health"><c>ok</c>, <c>starting</c>, <c>warning</c>, <c>degraded</c> or <c>critical</c>.</param>
/// <param name="Summary">The node in one readable line.</param>
/// <param name="Ready">The data plane stands and subnet.env is written.</param>
/// <param name="Provisional">Restored from the last run and not yet confirmed by etcd.</param>
/// <param name="Version">Version of the agent.</param>
/// <param name="Instance"><c>--instance</c>.</param>
/// <param name="Network">The overlay network in CIDR notation, or null before the config is known.</param>
/// <param name="Subnet">The node's subnet in CIDR notation, or null before it has one.</param>
/// <param name="PublicIP">The node's identity.</param>
/// <param name="Interface">Underlay interface.</param>
/// <param name="Device">Overlay device.</param>
/// <param name="Vni">VXLAN network identifier.</param>
/// <param name="Port">UDP port of the overlay.</param>
/// <param name="VtepMac">MAC address of the overlay device.</param>
/// <param name="Mtu">MTU for containers.</param>
/// <param name="Datapath">What carries packets now: <c>bpf</c>, <c>kernel</c>, <c>host-gw</c>, or <c>none</c>.</param>
/// <param name="DatapathReason">Why this one.</param>
/// <param name="Masquerade">Whether traffic that leaves the overlay is masqueraded.</param>
/// <param name="Etcd">The connection to etcd.</param>
/// <param name="Lanes">The eBPF lanes in use and what they did; empty when there are none.</param>
/// <param name="Guard">The guard in nftables, on every datapath; null before it is known.</param>
/// <param name="Peers">The other nodes.</param>
/// <param name="Containers">The containers of this host that lane 2 knows of; empty while it is closed.</param>
/// <param name="Rejected">Keys under <c>subnets/</c> that are left out, with the reason.</param>
/// <param name="Problems">What an operator should know, worst first.</param>
/// <param name="Reconcile">The loop that keeps kernel and etcd in step.</param>
public sealed record StatusReport(
    string Health,
    string Summary,
    bool Ready,
    bool Provisional,
    string Version,
    string Instance,
    string? Network,
    string? Subnet,
    [property: JsonPropertyName("publicIP")] string? PublicIP,
    string? Interface,
    string? Device,
    uint? Vni,
    int? Port,
    string? VtepMac,
    int? Mtu,
    string Datapath,
    string DatapathReason,
    bool Masquerade,
    StatusReport.EtcdStatus Etcd,
    IReadOnlyList<LaneStatus> Lanes,
    StatusReport.GuardStatus? Guard,
    IReadOnlyList<StatusReport.PeerStatus> Peers,
    IReadOnlyList<ContainerStatus> Containers,
    IReadOnlyList<StatusReport.RejectedKey> Rejected,
    IReadOnlyList<StatusReport.ProblemStatus> Problems,
    StatusReport.ReconcileStatus Reconcile)
{
    /// <summary>The connection to etcd.</summary>
    /// <param name="Connected">The last exchange succeeded.</param>
    /// <param name="Endpoint">The member last spoken to.</param>
    /// <param name="Since">Since when it is so, or null before the first attempt.</param>
    /// <param name="Error">Why not.</param>
    /// <param name="Revision">Revision of the leases in use.</param>
    public sealed record EtcdStatus(bool Connected, string? Endpoint, DateTimeOffset? Since, string? Error, long Revision);

    /// <summary>Who may send VXLAN to this node: the part of the guard that is in nftables. The lanes count what they refuse themselves.</summary>
    /// <param name="Mode">What is in force: <c>strict</c>, <c>vtep</c>, <c>observe</c> or <c>off</c>.</param>
    /// <param name="Reason">Why that and not what <c>--guard</c> says; null if it is what it says.</param>
    /// <param name="Refused">Packets refused, or counted where the guard observes, by reason.</param>
    /// <param name="OtherInterfaces">Interfaces to other hosts beside the underlay's: guarded by nftables, not accelerated.</param>
    public sealed record GuardStatus(string Mode, string? Reason, IReadOnlyDictionary<string, ulong> Refused, IReadOnlyList<string> OtherInterfaces);

    /// <summary>Another node.</summary>
    /// <param name="Subnet">Its subnet in CIDR notation.</param>
    /// <param name="PublicIP">Where its packets go.</param>
    /// <param name="VtepMac">MAC address of its overlay device; null for direct.</param>
    /// <param name="Transport">How: <c>vxlan</c>, or <c>direct</c> for a plain route.</param>
    /// <param name="State"><c>installed</c>, <c>failed</c> or <c>waiting</c>.</param>
    /// <param name="Error">The kernel's answer when failed.</param>
    /// <param name="Traffic">What the eBPF lanes carried; null when there are none.</param>
    public sealed record PeerStatus(
        string Subnet, [property: JsonPropertyName("publicIP")] string PublicIP, string? VtepMac, string Transport, string State, string? Error,
        PeerTraffic? Traffic = null);

    /// <summary>A key that is left out.</summary>
    /// <param name="Key">Name under <c>subnets/</c>.</param>
    /// <param name="Reason">Why.</param>
    public sealed record RejectedKey(string Key, string Reason);

    /// <summary>Something an operator should know.</summary>
    /// <param name="Severity"><c>warning</c>, <c>degraded</c> or <c>critical</c>.</param>
    /// <param name="Code">A stable word.</param>
    /// <param name="Message">What is wrong.</param>
    /// <param name="Remedy">What to do.</param>
    public sealed record ProblemStatus(string Severity, string Code, string Message, string Remedy);

    /// <summary>The reconcile loop.</summary>
    /// <param name="Passes">Passes so far.</param>
    /// <param name="Repairs">Changes made because others had deleted or altered something.</param>
    /// <param name="LastPass">When the last one ended.</param>
    /// <param name="LastMilliseconds">How long it took.</param>
    /// <param name="Failing">Changes the kernel refuses.</param>
    public sealed record ReconcileStatus(long Passes, long Repairs, DateTimeOffset? LastPass, double LastMilliseconds, int Failing);
}
