using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.State;

/// <summary>Computes the desired state. Pure.</summary>
public static class DesiredStateBuilder
{
    /// <summary>Outer IPv4, UDP, VXLAN and the inner Ethernet header: 20 + 8 + 8 + 14 bytes.</summary>
    public const int VxlanOverhead = 50;

    /// <summary>Builds the desired state.</summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="own">The node's own lease.</param>
    /// <param name="view">All leases.</param>
    /// <param name="node">Facts about the underlay.</param>
    /// <param name="options">What the operator asked for.</param>
    public static DesiredState Build(NetworkConfig config, OwnSubnet own, LeaseView view, NodeFacts node, FirewallOptions options)
    {
        var plan = config.IPv4 ?? throw new ArgumentException("an IPv4 overlay is needed", nameof(config));
        var backend = config.Backend;
        // Not above the underlay's: nothing larger leaves the host, and the kernel refuses such a device (vxlan_change_mtu: EINVAL).
        var mtu = (backend.Mtu > 0 ? Math.Min(backend.Mtu, node.Mtu) : node.Mtu) - VxlanOverhead;
        var subnet = own.Lease.Key.IPv4;
        var rejected = view.Rejected.ToBuilder();
        var peers = Peers(plan, own, view, node, rejected);
        var device = new OverlayDevice(
            AddressFamily.InterNetwork, DeviceName(AddressFamily.InterNetwork, backend.Vni), backend.Vni, backend.Port,
            node.InterfaceIndex, node.Address, own.Lease.Attributes.Vtep?.Mac ?? default, mtu, backend.Learning, backend.Gbp,
            plan.Network, subnet, peers);
        var mayPrune = view.IsComplete && !view.IsProvisional;
        return new DesiredState(
            [device],
            new FirewallSpec(plan.Network, subnet, options.Masquerade, options.FullyRandom, options.AcceptForwarded, Guard(device, options, mayPrune)),
            new SubnetEnvironment(plan.Network, subnet, null, null, mtu, options.Masquerade),
            mayPrune,
            rejected.ToImmutable());
    }

    /// <summary>flannel's device name for a family and VNI.</summary>
    public static string DeviceName(AddressFamily overlay, uint vni) =>
        string.Create(CultureInfo.InvariantCulture, $"{(overlay == AddressFamily.InterNetwork ? "flannel" : "flannel-v6")}.{vni}");

    /// <summary>While the peers are not known for sure, an unknown sender may be one we have not heard of: it is only counted.</summary>
    private static GuardSpec Guard(OverlayDevice device, FirewallOptions options, bool mayRefuse) => new(
        mayRefuse || options.Guard == OverlayGuard.Off ? options.Guard : OverlayGuard.Observe, device.Name, device.Vni, device.Port,
        device.UnderlayIndex, [.. device.Peers.Select(p => p.Remote).Distinct()], options.GuardAllow);

    private static ImmutableArray<OverlayPeer> Peers(
        AddressPlan plan, OwnSubnet own, LeaseView view, NodeFacts node, ImmutableSortedDictionary<string, string>.Builder rejected)
    {
        var candidates = new List<(UInt128 First, UInt128 Last, OverlayPeer Peer)>(view.Leases.Count);
        var owners = new Dictionary<MacAddress, string>(view.Leases.Count);
        // The driver drops frames that come with the device's own address (vxlan_set_mac): such a peer could not talk to us either.
        if (own.Lease.Attributes.Vtep is { } vtep)
            owners.Add(vtep.Mac, own.Lease.Key.ToString());
        foreach (var (key, lease) in view.Leases)
        {
            if (lease.Key == own.Lease.Key)
                continue;
            if (Refusal(plan, own, lease, node) is { } reason)
            {
                rejected[key] = reason;
                continue;
            }

            var mac = lease.Attributes.Vtep!.Mac;
            if (!owners.TryAdd(mac, key))
            {
                rejected[key] = $"VtepMAC {mac} is also claimed by {owners[mac]}: frames can go to one of them only";
                continue;
            }

            var (first, last) = IPMath.Range(lease.Key.IPv4);
            candidates.Add((first, last, new OverlayPeer(key, lease.Key.IPv4, lease.Key.IPv4.BaseAddress, mac, lease.Attributes.PublicIP!)));
        }

        return WithoutOverlaps(candidates, rejected);
    }

    /// <summary>In address order; of two subnets that overlap the one that begins first stays.</summary>
    private static ImmutableArray<OverlayPeer> WithoutOverlaps(
        List<(UInt128 First, UInt128 Last, OverlayPeer Peer)> candidates, ImmutableSortedDictionary<string, string>.Builder rejected)
    {
        candidates.Sort((a, b) => a.First != b.First ? a.First.CompareTo(b.First) : a.Last.CompareTo(b.Last));
        var peers = ImmutableArray.CreateBuilder<OverlayPeer>(candidates.Count);
        UInt128 reached = 0;
        foreach (var (first, last, peer) in candidates)
        {
            if (peers.Count > 0 && first <= reached)
            {
                rejected[peer.Key] = $"the subnet overlaps {peers[^1].Key}";
                continue;
            }

            peers.Add(peer);
            reached = last;
        }

        return peers.DrainToImmutable();
    }

    private static string? Refusal(AddressPlan plan, OwnSubnet own, SubnetLease lease, NodeFacts node)
    {
        var (subnet, attributes) = (lease.Key.IPv4, lease.Attributes);
        if (!plan.Network.Contains(subnet))
            return $"{subnet} is not inside Network {plan.Network}";
        if (IPMath.Overlap(subnet, own.Lease.Key.IPv4))
            return $"the subnet overlaps this node's own {own.Lease.Key.IPv4}";
        if (subnet.Contains(node.Address))
            return $"{subnet} contains this node's own address {node.Address}";
        if (attributes.PublicIP is not { } remote)
            return "PublicIP is missing";
        if (!IsUnicast(remote))
            return $"PublicIP {remote} is not a unicast address";
        if (remote.Equals(own.Lease.Attributes.PublicIP) || remote.Equals(node.Address))
            return $"PublicIP {remote} is this node's own: a left-over lease of this node, or two nodes with one address";
        if (subnet.Contains(remote))
            return $"PublicIP {remote} is inside the subnet it should lead to";
        if (attributes.BackendType != BackendConfig.Vxlan)
            return $"BackendType is \"{attributes.BackendType}\", not vxlan";
        if (attributes.Vtep is not { } vtep)
            return "BackendData has no VtepMAC";
        return VtepMac.IsUsable(vtep.Mac) ? null : $"VtepMAC {vtep.Mac} is not a unicast address";
    }

    private static bool IsUnicast(IPAddress address) =>
        !IPAddress.IsLoopback(address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.Broadcast)
        && address.GetAddressBytes()[0] is > 0 and < 224;
}
