using Accelerated.Interop.Netfilter;

namespace Accelerated.Interop.Nftables;

/// <summary>Which field of a packet lies at a place of its headers.</summary>
internal static class PacketHeaders
{
    private const int LinkLayer = 0;
    private const int Network = 1;
    private const int Transport = 2;

    private static readonly (int Start, int Size, PacketField Field, string? Name)[] IPv4 =
    [
        (0, 1, PacketField.Other, "the version of IP"),
        (1, 1, PacketField.Other, "ip dscp"),
        (2, 2, PacketField.Other, "ip length"),
        (4, 2, PacketField.Other, "ip id"),
        (6, 2, PacketField.Fragment, null),
        (8, 1, PacketField.Other, "ip ttl"),
        (9, 1, PacketField.Protocol, null),
        (10, 2, PacketField.Other, "ip checksum"),
        (12, 4, PacketField.Source, null),
        (16, 4, PacketField.Destination, null),
    ];

    private static readonly (int Start, int Size, PacketField Field, string? Name)[] Ports =
    [
        (0, 2, PacketField.SourcePort, null),
        (2, 2, PacketField.DestinationPort, null),
        (13, 1, PacketField.TcpFlags, null),
    ];

    private static readonly (int Start, int Size, PacketField Field, string? Name)[] Ethernet = [(12, 2, PacketField.EtherType, null)];

    /// <summary>The field at an offset: what it is, where it starts, how long it is, and its name if its value differs from packet to packet.</summary>
    internal static (PacketField Field, int Start, int Size, string? Name) At(FilterFamily family, int header, int offset)
    {
        var fields = header switch
        {
            LinkLayer => Ethernet,
            Network when family != FilterFamily.IPv6 => IPv4,
            Transport => Ports,
            _ => [],
        };
        foreach (var (start, size, field, name) in fields)
        {
            if (offset >= start && offset < start + size)
                return (field, start, size, name);
        }

        var words = header switch { LinkLayer => "the Ethernet header", Network => "the IP header", Transport => "the transport header", _ => "the payload" };
        return (PacketField.Other, offset, 1, $"byte {offset} of {words}");
    }
}
