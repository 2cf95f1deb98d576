using System.Collections.Immutable;

namespace Accelerated.Agent.State;

/// <summary>
/// Everything the kernel and the node's files should hold. Immutable and computed from
/// (config, own lease, peer leases, node facts) alone: equal inputs give an equal state.
/// </summary>
/// <param name="Overlays">One overlay network per address family.</param>
/// <param name="Firewall">What our nftables table must do.</param>
/// <param name="SubnetFile">Content of subnet.env.</param>
/// <param name="MayPrune">
/// False until a whole snapshot of the leases is in: what is in the kernel and not in here is then left alone.
/// </param>
/// <param name="Rejected">Leases that cannot be programmed, by key, with the reason.</param>
public sealed record DesiredState(
    ImmutableArray<OverlayNetwork> Overlays, FirewallSpec Firewall, SubnetEnvironment SubnetFile, bool MayPrune,
    ImmutableSortedDictionary<string, string> Rejected);
