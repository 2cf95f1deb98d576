namespace Accelerated.Interop.Netlink;

/// <summary>A network device as the kernel reports it (<c>ip -d link</c>).</summary>
/// <param name="Index">Its ifindex, unique within its network namespace and not used again soon.</param>
/// <param name="Name">Its name.</param>
/// <param name="Kind">The driver's kind (<c>vxlan</c>, <c>veth</c>, <c>bridge</c>); null for hardware and loopback.</param>
/// <param name="Address">Its hardware address; null where that is not 48 bits long.</param>
/// <param name="Mtu">Bytes of payload, without the Ethernet header.</param>
/// <param name="IsUp">Whether it was set up (IFF_UP).</param>
/// <param name="HasCarrier">Whether it is up and has a carrier (IFF_LOWER_UP).</param>
/// <param name="OperState">Its operational state.</param>
/// <param name="MasterIndex">The bridge, bond or VRF it belongs to; 0 for none.</param>
/// <param name="ParentIndex">IFLA_LINK: the device below it, or a veth's other end; 0 for none.</param>
/// <param name="ParentNetns">IFLA_LINK_NETNSID: set when <paramref name="ParentIndex"/> counts in another network namespace.</param>
/// <param name="Vxlan">The parameters of a vxlan device; null for other kinds.</param>
/// <param name="Flags">All IFF_* bits (linux/if.h).</param>
/// <param name="ForwardsIPv4">Whether packets that come in on it are routed on (net.ipv4.conf.IF.forwarding); false where the kernel does not say.</param>
/// <param name="FiltersVlans">Whether a bridge sorts frames by VLAN; false for other kinds.</param>
/// <param name="PortState">The spanning tree state of a bridge port (linux/if_bridge.h BR_STATE_*, 3 forwards); null for others.</param>
/// <param name="HasXdp">Whether an XDP program is attached, in whichever mode.</param>
public sealed record Link(
    int Index,
    string Name,
    string? Kind,
    MacAddress? Address,
    int Mtu,
    bool IsUp,
    bool HasCarrier,
    OperState OperState,
    int MasterIndex = 0,
    int ParentIndex = 0,
    int? ParentNetns = null,
    VxlanParameters? Vxlan = null,
    uint Flags = 0,
    bool ForwardsIPv4 = false,
    bool FiltersVlans = false,
    byte? PortState = null,
    bool HasXdp = false)
{
    /// <summary>BR_STATE_FORWARDING: <see cref="PortState"/> of a port that carries frames.</summary>
    public const byte PortForwarding = 3;

    /// <summary>Whether it is a loopback device.</summary>
    public bool IsLoopback => (Flags & Rtnl.IFF_LOOPBACK) != 0;
}
