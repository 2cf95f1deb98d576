using System.Net;

namespace Accelerated.Interop.Netlink;

/// <summary>RTM_*NEIGH between bytes and records: neighbours, and under AF_BRIDGE forwarding databases.</summary>
internal static class NeighbourMessages
{
    // The neighbour dump takes its interface as an attribute, the FDB dump in the header; strict checking refuses the other way round.
    internal static NetlinkWriter Get(byte family, int interfaceIndex) => family == Rtnl.AF_BRIDGE
        ? new NetlinkWriter().Struct(new NdMsg { ndm_family = family, ndm_ifindex = interfaceIndex })
        : new NetlinkWriter().Struct(new NdMsg { ndm_family = family }).U32(Rtnl.NDA_IFINDEX, (uint)interfaceIndex);

    /// <summary>A request for the neighbours of all interfaces.</summary>
    internal static NetlinkWriter Get(byte family) => new NetlinkWriter().Struct(new NdMsg { ndm_family = family });

    /// <summary>A request for the table of a bridge.</summary>
    internal static NetlinkWriter GetFdbOf(int bridgeIndex) =>
        new NetlinkWriter().Struct(new NdMsg { ndm_family = Rtnl.AF_BRIDGE }).U32(Rtnl.NDA_MASTER, (uint)bridgeIndex);

    internal static NetlinkWriter Encode(Neighbour neighbour)
    {
        var writer = new NetlinkWriter()
            .Struct(new NdMsg
            {
                ndm_family = AddressFamilies.ToNative(neighbour.Address),
                ndm_ifindex = neighbour.InterfaceIndex,
                ndm_state = neighbour.State,
                ndm_flags = neighbour.Flags,
            })
            .Address(Rtnl.NDA_DST, neighbour.Address);
        if (neighbour.LinkAddress is { } mac)
            writer.Mac(Rtnl.NDA_LLADDR, mac);
        return writer;
    }

    internal static NetlinkWriter Encode(FdbEntry entry)
    {
        var writer = new NetlinkWriter()
            .Struct(new NdMsg
            {
                ndm_family = Rtnl.AF_BRIDGE,
                ndm_ifindex = entry.InterfaceIndex,
                ndm_state = entry.State,
                ndm_flags = entry.Flags,
            })
            .Mac(Rtnl.NDA_LLADDR, entry.Address);
        if (entry.Destination is { } destination)
            writer.Address(Rtnl.NDA_DST, destination);
        if (entry.Vni is { } vni)
            writer.U32(Rtnl.NDA_VNI, vni);
        if (entry.Port is { } port)
            writer.U16BigEndian(Rtnl.NDA_PORT, checked((ushort)port));
        return writer;
    }

    /// <summary>Null for families other than IPv4 and IPv6.</summary>
    internal static Neighbour? DecodeNeighbour(ReadOnlySpan<byte> payload)
    {
        var header = NetlinkReader.Struct<NdMsg>(payload, out var attributes);
        if (!AddressFamilies.IsIP(header.ndm_family))
            return null;

        IPAddress? address = null;
        MacAddress? mac = null;
        while (attributes.TryRead(out var attribute))
        {
            if (attribute.Type == Rtnl.NDA_DST)
                address = attribute.Address();
            else if (attribute.Type == Rtnl.NDA_LLADDR)
                mac = attribute.Mac();
        }

        if (address is null || AddressFamilies.ToNative(address) != header.ndm_family)
            throw NetlinkException.Malformed($"neighbour message of family {header.ndm_family} about '{address}'");
        return new(header.ndm_ifindex, address, mac, header.ndm_state, header.ndm_flags);
    }

    /// <summary>Null for what is no AF_BRIDGE message, and for entries without a 48-bit address.</summary>
    internal static FdbEntry? DecodeFdb(ReadOnlySpan<byte> payload)
    {
        var header = NetlinkReader.Struct<NdMsg>(payload, out var attributes);
        if (header.ndm_family != Rtnl.AF_BRIDGE)
            return null;

        MacAddress? mac = null;
        IPAddress? destination = null;
        uint? vni = null;
        int? port = null;
        var master = 0;
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case Rtnl.NDA_LLADDR:
                    mac = attribute.Mac();
                    break;
                case Rtnl.NDA_DST:
                    destination = attribute.Address();
                    break;
                case Rtnl.NDA_VNI:
                    vni = attribute.U32();
                    break;
                case Rtnl.NDA_PORT:
                    port = attribute.U16BigEndian();
                    break;
                case Rtnl.NDA_MASTER:
                    master = attribute.S32();
                    break;
            }
        }

        return mac is { } address
            ? new(header.ndm_ifindex, address, destination, header.ndm_state, header.ndm_flags, vni, port, master)
            : null;
    }
}
