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
        var subnet = own.Lease.Key.IPv4;
        var rejected = view.Rejected.ToBuilder();
        var (tunnelled, direct) = Peers(plan, backend, own, view, node, rejected);
        var mtu = OverlayMtu(backend, node);
        var device = backend.Type == BackendConfig.HostGw ? null : new OverlayDevice(
            AddressFamily.InterNetwork, DeviceName(AddressFamily.InterNetwork, backend.Vni), backend.Vni, backend.Port,
            node.InterfaceIndex, node.Address, own.Lease.Attributes.Vtep?.Mac ?? default, mtu, backend.Learning, backend.Gbp,
            plan.Network, subnet, tunnelled);
        var overlay = new OverlayNetwork(AddressFamily.InterNetwork, plan.Network, subnet, node.Interface, node.InterfaceIndex, device, direct, IsHostGw(backend, own));
        var mayPrune = view.IsComplete && !view.IsProvisional;
        return new DesiredState(
            [overlay],
            new FirewallSpec(plan.Network, subnet, options.Masquerade, options.FullyRandom, options.AcceptForwarded, Guard(overlay, options, mayPrune)),
            new SubnetEnvironment(plan.Network, subnet, null, null, mtu, options.Masquerade),
            mayPrune,
            rejected.ToImmutable());
    }

    /// <summary>flannel's device name for a family and VNI.</summary>
    public static string DeviceName(AddressFamily overlay, uint vni) =>
        string.Create(CultureInfo.InvariantCulture, $"{(overlay == AddressFamily.InterNetwork ? "flannel" : "flannel-v6")}.{vni}");

    /// <summary>
    /// Why plain routes cannot carry this node's traffic in a vxlan network, or null when they can: flannel passes over a lease of
    /// type host-gw, so every other node must be one that does not, and be on this node's link.
    /// </summary>
    public static string? ObstacleToHostGw(NetworkConfig config, OwnSubnet own, LeaseView view, NodeFacts node)
    {
        var plan = config.IPv4 ?? throw new ArgumentException("an IPv4 overlay is needed", nameof(config));
        if (!node.Address.Equals(own.Lease.Attributes.PublicIP))
            return $"--public-ip={own.Lease.Attributes.PublicIP} is not the address of {node.Interface}, {node.Address}: a packet that is not encapsulated would not get there";
        foreach (var (key, lease) in view.Leases)
        {
            if (lease.Key == own.Lease.Key || Refusal(plan, own, lease, node) is not null)
                continue;
            if (DirectRefusal(lease, asHostGw: true, node) is { } reason)
                return $"{key} ({lease.Attributes.PublicIP}): {reason}";
        }

        return null;
    }

    /// <summary>
    /// Why this node cannot take part with the address it has, in the words of the config's keys and the flags, with what to do; null when it can.
    /// </summary>
    /// <param name="config">The network's configuration.</param>
    /// <param name="node">Facts about the underlay.</param>
    /// <param name="publicIP">The address that peers are told.</param>
    public static string? ObstacleToAddress(NetworkConfig config, NodeFacts node, IPAddress publicIP)
    {
        var plan = config.IPv4 ?? throw new ArgumentException("an IPv4 overlay is needed", nameof(config));
        var underlay = IPMath.Mask(node.Address, node.PrefixLength);
        if (plan.AllocatesInside(underlay))
            return $"Network {plan.Network} overlaps the underlay {underlay} on {node.Interface}: containers would get addresses of hosts. Choose another Network, or keep the underlay outside SubnetMin … SubnetMax";
        if (plan.AllocatesInside(new IPNetwork(publicIP, 32)))
            return $"{(publicIP.Equals(node.Address) ? $"the address {publicIP} of {node.Interface}" : $"--public-ip={publicIP}")} lies inside the overlay Network {plan.Network}, among the addresses of containers: peers could not reach it. Choose another Network or address";
        return config.Backend.Type == BackendConfig.HostGw && !publicIP.Equals(node.Address)
            ? $"--public-ip={publicIP} is not the address of {node.Interface}, {node.Address}, and Backend.Type host-gw needs that: packets are not encapsulated. Leave --public-ip out, or set Backend.Type to vxlan"
            : null;
    }

    /// <summary>
    /// What containers may send at once. Not above the underlay's: nothing larger leaves the host, and the kernel refuses such a device
    /// (vxlan_change_mtu: EINVAL). flannel's host-gw takes no MTU from the config.
    /// </summary>
    private static int OverlayMtu(BackendConfig backend, NodeFacts node) => backend.Type == BackendConfig.HostGw
        ? node.Mtu
        : (backend.Mtu > 0 ? Math.Min(backend.Mtu, node.Mtu) : node.Mtu) - VxlanOverhead;

    /// <summary>While the peers are not known for sure, an unknown sender may be one we have not heard of: it is only counted.</summary>
    private static GuardSpec Guard(OverlayNetwork overlay, FirewallOptions options, bool mayRefuse)
    {
        if (overlay.Device is not { } device)
            return new GuardSpec(OverlayGuard.Off, "", 0, 0, overlay.UnderlayIndex, [], options.GuardAllow);
        var senders = device.Peers.Select(p => p.Remote).Concat(overlay.Direct.Where(p => p.MayEncapsulate).Select(p => p.Remote));
        return new GuardSpec(
            mayRefuse || options.Guard == OverlayGuard.Off ? options.Guard : OverlayGuard.Observe, device.Name, device.Vni, device.Port,
            device.UnderlayIndex, [.. senders.Distinct()], options.GuardAllow);
    }

    private static (ImmutableArray<OverlayPeer> Tunnelled, ImmutableArray<DirectPeer> Direct) Peers(
        AddressPlan plan, BackendConfig backend, OwnSubnet own, LeaseView view, NodeFacts node, ImmutableSortedDictionary<string, string>.Builder rejected)
    {
        var candidates = new List<Candidate>(view.Leases.Count);
        var owners = new Dictionary<MacAddress, string>(view.Leases.Count);
        // The driver drops frames that come with the device's own address (vxlan_set_mac): such a peer could not talk to us either.
        if (own.Lease.Attributes.Vtep is { } vtep)
            owners.Add(vtep.Mac, own.Lease.Key.ToString());
        var asHostGw = IsHostGw(backend, own);
        foreach (var (key, lease) in view.Leases)
        {
            if (lease.Key == own.Lease.Key)
                continue;
            var isDirect = asHostGw || IsDirect(backend, lease, node);
            if ((Refusal(plan, own, lease, node) ?? (isDirect ? DirectRefusal(lease, asHostGw, node) : TunnelRefusal(lease))) is { } reason)
            {
                rejected[key] = reason;
                continue;
            }

            var (first, last) = IPMath.Range(lease.Key.IPv4);
            if (isDirect)
            {
                candidates.Add(new Candidate(first, last, null, new DirectPeer(key, lease.Key.IPv4, lease.Attributes.PublicIP!, lease.Attributes.Vtep is not null)));
                continue;
            }

            var mac = lease.Attributes.Vtep!.Mac;
            if (!owners.TryAdd(mac, key))
            {
                rejected[key] = $"VtepMAC {mac} is also claimed by {owners[mac]}: frames can go to one of them only";
                continue;
            }

            candidates.Add(new Candidate(first, last, new OverlayPeer(key, lease.Key.IPv4, lease.Key.IPv4.BaseAddress, mac, lease.Attributes.PublicIP!), null));
        }

        return WithoutOverlaps(plan, candidates, rejected);
    }

    /// <summary>
    /// In address order. Of two subnets that overlap the one stays that is cut as the config says, so that nobody's key of another length
    /// takes a node's subnet from it; else the one that begins first.
    /// </summary>
    private static (ImmutableArray<OverlayPeer> Tunnelled, ImmutableArray<DirectPeer> Direct) WithoutOverlaps(
        AddressPlan plan, List<Candidate> candidates, ImmutableSortedDictionary<string, string>.Builder rejected)
    {
        candidates.Sort((a, b) => a.First != b.First ? a.First.CompareTo(b.First) : a.Last.CompareTo(b.Last));
        var regular = WithoutOverlaps(candidates.Where(c => plan.Fits(c.Subnet)), [], rejected);
        var others = WithoutOverlaps(candidates.Where(c => !plan.Fits(c.Subnet)), regular, rejected);
        var kept = WithoutBuriedHosts(plan, [.. regular.Concat(others).OrderBy(c => c.First)], rejected);
        return ([.. kept.Select(c => c.Tunnelled).OfType<OverlayPeer>()], [.. kept.Select(c => c.Direct).OfType<DirectPeer>()]);
    }

    /// <summary>Those that overlap neither one before them nor any of <paramref name="settled"/>; all are in address order.</summary>
    private static List<Candidate> WithoutOverlaps(
        IEnumerable<Candidate> candidates, List<Candidate> settled, ImmutableSortedDictionary<string, string>.Builder rejected)
    {
        var kept = new List<Candidate>();
        var next = 0;
        foreach (var candidate in candidates)
        {
            while (next < settled.Count && settled[next].Last < candidate.First)
                next++;
            var other = kept.Count > 0 && candidate.First <= kept[^1].Last ? kept[^1]
                : next < settled.Count && settled[next].First <= candidate.Last ? settled[next]
                : null;
            if (other is null)
                kept.Add(candidate);
            else
                rejected[candidate.Key] = $"the subnet overlaps {other.Key}";
        }

        return kept;
    }

    /// <summary>
    /// Without those that would bury a host: its PublicIP lies in a subnet, so what is sent to it goes into a tunnel, and from there into the same tunnel.
    /// At fault is the host if it has an address out of which subnets are cut, else whoever claims the subnet.
    /// </summary>
    /// <param name="plan">What is handed out.</param>
    /// <param name="candidates">In address order, and none overlaps another.</param>
    /// <param name="rejected">Takes the reasons.</param>
    private static List<Candidate> WithoutBuriedHosts(
        AddressPlan plan, List<Candidate> candidates, ImmutableSortedDictionary<string, string>.Builder rejected)
    {
        var dropped = new HashSet<Candidate>(ReferenceEqualityComparer.Instance);
        foreach (var host in candidates.Where(c => plan.Network.Contains(c.Remote)))
        {
            if (Around(candidates, IPMath.ToNumber(host.Remote)) is not { } around)
                continue;
            var isHostAtFault = plan.AllocatesInside(new IPNetwork(host.Remote, 32));
            dropped.Add(isHostAtFault ? host : around);
            rejected[(isHostAtFault ? host : around).Key] = isHostAtFault
                ? $"PublicIP {host.Remote} is inside the subnet of {around.Key}: packets to it would go into that tunnel"
                : $"{around.Subnet} contains {host.Remote}, the PublicIP of {host.Key}: packets to that node would go into the tunnel";
        }

        return dropped.Count == 0 ? candidates : [.. candidates.Where(c => !dropped.Contains(c))];
    }

    /// <summary>The one whose subnet has an address. By halves: a network may have all its hosts inside, and thousands of them.</summary>
    private static Candidate? Around(List<Candidate> candidates, UInt128 address)
    {
        var (low, high) = (0, candidates.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (candidates[middle].Last < address)
                low = middle + 1;
            else
                high = middle;
        }

        return low < candidates.Count && candidates[low].First <= address ? candidates[low] : null;
    }

    private static bool IsHostGw(BackendConfig backend, OwnSubnet own) =>
        backend.Type == BackendConfig.HostGw || own.Lease.Attributes.BackendType == BackendConfig.HostGw;

    /// <summary>Whether a plain route leads from a vxlan node to a peer: to one that is host-gw, and with DirectRouting to all on the link.</summary>
    private static bool IsDirect(BackendConfig backend, SubnetLease lease, NodeFacts node) =>
        lease.Attributes.BackendType == BackendConfig.HostGw
        || (backend.DirectRouting && lease.Attributes is { BackendType: BackendConfig.Vxlan, PublicIP: { } remote } && node.OnLink.Contains(remote));

    /// <summary>What no way to a peer can do with.</summary>
    private static string? Refusal(AddressPlan plan, OwnSubnet own, SubnetLease lease, NodeFacts node)
    {
        var (subnet, attributes) = (lease.Key.IPv4, lease.Attributes);
        if (!plan.Network.Contains(subnet))
            return $"{subnet} is not inside Network {plan.Network}";
        if (IPMath.Overlap(subnet, own.Lease.Key.IPv4))
            return $"the subnet overlaps this node's own {own.Lease.Key.IPv4}";
        if (subnet.Contains(node.Address))
            return $"{subnet} contains this node's own address {node.Address}";
        if (IPMath.Mask(node.Address, node.PrefixLength) is var underlay && IPMath.Overlap(subnet, underlay))
            return $"{subnet} overlaps the underlay {underlay} on {node.Interface}: packets to its hosts would go into the tunnel";
        if (attributes.PublicIP is not { } remote)
            return "PublicIP is missing";
        if (!IsUnicast(remote))
            return $"PublicIP {remote} is not a unicast address";
        if (remote.Equals(own.Lease.Attributes.PublicIP) || remote.Equals(node.Address))
            return $"PublicIP {remote} is this node's own: a left-over lease of this node, or two nodes with one address";
        if (own.Lease.Key.IPv4.Contains(remote))
            return $"PublicIP {remote} is inside this node's own subnet {own.Lease.Key.IPv4}: packets to it would stay here";
        return subnet.Contains(remote) ? $"PublicIP {remote} is inside the subnet it should lead to" : null;
    }

    private static string? TunnelRefusal(SubnetLease lease)
    {
        if (lease.Attributes.BackendType != BackendConfig.Vxlan)
            return $"BackendType is \"{lease.Attributes.BackendType}\", not vxlan";
        if (lease.Attributes.Vtep is not { } vtep)
            return "BackendData has no VtepMAC";
        return VtepMac.IsUsable(vtep.Mac) ? null : $"VtepMAC {vtep.Mac} is not a unicast address";
    }

    /// <summary>What a plain route to a peer, and the peer's back to this node, cannot do with.</summary>
    /// <param name="lease">The peer's lease.</param>
    /// <param name="asHostGw">This node's own lease says host-gw.</param>
    /// <param name="node">Facts about the underlay.</param>
    private static string? DirectRefusal(SubnetLease lease, bool asHostGw, NodeFacts node)
    {
        var attributes = lease.Attributes;
        if (attributes.BackendType is not (BackendConfig.HostGw or BackendConfig.Vxlan))
            return $"BackendType is \"{attributes.BackendType}\", not host-gw";
        if (asHostGw && attributes is { BackendType: BackendConfig.Vxlan, UnderstandsHostGw: false })
            return "BackendType is \"vxlan\", and its lease does not say that it understands host-gw: flannel passes over this node's lease then";
        return node.OnLink.Contains(attributes.PublicIP!) ? null
            : $"PublicIP {attributes.PublicIP} is not on the link of {node.Interface} ({node.OnLink}), and a plain route needs that";
    }

    /// <summary>Whether an IPv4 address can be that of one host that others reach.</summary>
    internal static bool IsUnicast(IPAddress address) =>
        !IPAddress.IsLoopback(address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.Broadcast)
        && address.GetAddressBytes()[0] is > 0 and < 224;

    private sealed record Candidate(UInt128 First, UInt128 Last, OverlayPeer? Tunnelled, DirectPeer? Direct)
    {
        public string Key => Tunnelled?.Key ?? Direct!.Key;

        public IPNetwork Subnet => Tunnelled?.Subnet ?? Direct!.Subnet;

        public IPAddress Remote => Tunnelled?.Remote ?? Direct!.Remote;
    }
}
