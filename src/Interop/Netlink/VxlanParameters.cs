using System.Net;

namespace Accelerated.Interop.Netlink;

/// <summary>What makes a vxlan device behave as it does. Two equal values carry packets in the same way.</summary>
/// <remarks>
/// The defaults are those of flannel: no learning, the kernel's own port 8472, checksums on, everything else as the kernel has it.
/// None of it but TTL, TOS, learning and the like can be changed on a device that exists: unequal means delete and make anew.
/// Not covered (nobody sets them without knowing): remote checksum offload and what kernels after 6.6 added.
/// </remarks>
public sealed record VxlanParameters
{
    /// <summary>The VXLAN network identifier, 24 bits.</summary>
    public required uint Vni { get; init; }

    /// <summary>The ifindex of the underlay device (<c>dev</c>); 0 leaves it to the routing table.</summary>
    public required int UnderlayIndex { get; init; }

    /// <summary>The outer source address (<c>local</c>); its family is the underlay's. Null: chosen per packet.</summary>
    public IPAddress? Local { get; init; }

    /// <summary>The default destination, unicast or multicast (<c>remote</c>, <c>group</c>); null for none.</summary>
    public IPAddress? Group { get; init; }

    /// <summary>The UDP destination port (<c>dstport</c>).</summary>
    public int Port { get; init; } = 8472;

    /// <summary>The lowest UDP source port (<c>srcport</c>); 0 with <see cref="SourcePortHigh"/> 0 is the local port range.</summary>
    public int SourcePortLow { get; init; }

    /// <summary>The highest UDP source port.</summary>
    public int SourcePortHigh { get; init; }

    /// <summary>Whether the FDB learns from received packets (<c>learning</c>).</summary>
    public bool Learning { get; init; }

    /// <summary>Whether the group policy extension is used (<c>gbp</c>).</summary>
    public bool Gbp { get; init; }

    /// <summary>Whether the generic protocol extension is used (<c>gpe</c>).</summary>
    public bool Gpe { get; init; }

    /// <summary>Whether a missing FDB entry raises a notification (<c>l2miss</c>).</summary>
    public bool L2Miss { get; init; }

    /// <summary>Whether a missing neighbour raises a notification (<c>l3miss</c>).</summary>
    public bool L3Miss { get; init; }

    /// <summary>Whether the device answers ARP and neighbour solicitation from its table (<c>proxy</c>).</summary>
    public bool Proxy { get; init; }

    /// <summary>Whether packets to a router in the same overlay take the direct way (<c>rsc</c>).</summary>
    public bool RouteShortCircuit { get; init; }

    /// <summary>Whether outer UDP over IPv4 is checksummed (<c>udpcsum</c>).</summary>
    public bool UdpChecksum { get; init; } = true;

    /// <summary>Whether outer UDP over IPv6 is sent without checksum (<c>udp6zerocsumtx</c>).</summary>
    public bool UdpZeroChecksum6Tx { get; init; }

    /// <summary>Whether outer UDP over IPv6 is accepted without checksum (<c>udp6zerocsumrx</c>).</summary>
    public bool UdpZeroChecksum6Rx { get; init; }

    /// <summary>Whether tunnel parameters come with each packet (<c>external</c>).</summary>
    public bool CollectMetadata { get; init; }

    /// <summary>Whether only configured VNIs are accepted (<c>vnifilter</c>, Linux 5.18).</summary>
    public bool VniFilter { get; init; }

    /// <summary>The outer TTL; 0 is the system's default (<c>ttl auto</c>).</summary>
    public byte Ttl { get; init; }

    /// <summary>Whether the outer TTL is the inner one (<c>ttl inherit</c>).</summary>
    public bool InheritTtl { get; init; }

    /// <summary>The outer TOS; 1 is <c>inherit</c>.</summary>
    public byte Tos { get; init; }

    /// <summary>The outer don't-fragment bit: 0 unset, 1 set, 2 inherit (<c>df</c>).</summary>
    public byte DontFragment { get; init; }

    /// <summary>The outer IPv6 flow label.</summary>
    public uint FlowLabel { get; init; }

    /// <summary>How long a learnt FDB entry lives (<c>ageing</c>), in seconds.</summary>
    public uint AgeingSeconds { get; init; } = 300;

    /// <summary>How many FDB entries may be learnt (<c>maxaddress</c>); 0 is no limit.</summary>
    public uint MaximumAddresses { get; init; }
}
