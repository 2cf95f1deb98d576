namespace Accelerated.Interop.Netfilter;

/// <summary>What a condition looks at. Values are numbers; those of names are their bytes, the first one highest, zeroes behind.</summary>
public enum PacketField
{
    /// <summary>Something whose value nobody here knows, and that is the same for all packets of a flow.</summary>
    Other,

    /// <summary>NFPROTO_IPV4 (2), NFPROTO_IPV6 (10).</summary>
    Family,

    /// <summary>EtherType.</summary>
    EtherType,

    /// <summary>IP protocol number.</summary>
    Protocol,

    /// <summary>Source address.</summary>
    Source,

    /// <summary>Destination address.</summary>
    Destination,

    /// <summary>Source port.</summary>
    SourcePort,

    /// <summary>Destination port.</summary>
    DestinationPort,

    /// <summary>Flags of TCP, as byte 13 of its header.</summary>
    TcpFlags,

    /// <summary>IPv4's flags and fragment offset, 16 bits.</summary>
    Fragment,

    /// <summary>Name of the interface it came in on.</summary>
    InputName,

    /// <summary>Name of the interface it goes out on.</summary>
    OutputName,

    /// <summary>ifindex of the interface it came in on.</summary>
    InputIndex,

    /// <summary>ifindex of the interface it goes out on.</summary>
    OutputIndex,

    /// <summary>Connection tracking's view of the packet: one bit, see <see cref="ConntrackStates"/>.</summary>
    ConntrackState,

    /// <summary>The packet's mark.</summary>
    Mark,

    /// <summary>The mark of the packet's connection.</summary>
    ConntrackMark,

    /// <summary>Kind of the source address: a route type, see <see cref="Netlink.RouteType"/>.</summary>
    SourceKind,

    /// <summary>Kind of the destination address.</summary>
    DestinationKind,

    /// <summary>The interface a packet to this one's source would leave by; 0 if there is no such route, or by another one if that matters.</summary>
    ReversePath,

    /// <summary>User, group or control group of the local socket; packets that are forwarded, and those of tunnels, have none.</summary>
    SocketOwner,

    /// <summary>PACKET_HOST (0), broadcast (1), multicast (2).</summary>
    PacketType,
}
