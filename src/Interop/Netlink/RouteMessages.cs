using System.Net;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Netlink;

/// <summary>RTM_*ROUTE between bytes and records.</summary>
internal static class RouteMessages
{
    internal static NetlinkWriter Get(byte family, RouteFilter filter)
    {
        var writer = new NetlinkWriter().Struct(new RtMsg { rtm_family = family, rtm_protocol = filter.Protocol ?? 0 });
        if (filter.Table is { } table)
            writer.U32(Rtnl.RTA_TABLE, table);
        if (filter.InterfaceIndex is { } index)
            writer.U32(Rtnl.RTA_OIF, (uint)index);
        return writer;
    }

    internal static NetlinkWriter LookUp(IPAddress destination)
    {
        var family = AddressFamilies.ToNative(destination);
        return new NetlinkWriter()
            .Struct(new RtMsg
            {
                rtm_family = family,
                rtm_dst_len = (byte)AddressFamilies.Bits(destination),

                // Name the table the answer came from: IPv6 always does, and strict checking refuses the flag there.
                rtm_flags = family == Rtnl.AF_INET ? Rtnl.RTM_F_LOOKUP_TABLE : 0,
            })
            .Address(Rtnl.RTA_DST, destination);
    }

    internal static NetlinkWriter Encode(Route route)
    {
        if (route.IsMultipath)
            throw new ArgumentException($"route {route.Destination}: multipath routes can be read, not written", nameof(route));

        var family = AddressFamilies.ToNative(route.Family);
        var writer = new NetlinkWriter()
            .Struct(new RtMsg
            {
                rtm_family = family,
                rtm_dst_len = (byte)route.Destination.PrefixLength,
                rtm_table = route.Table < 256 ? (byte)route.Table : Rtnl.RT_TABLE_UNSPEC,
                rtm_protocol = route.Protocol,
                rtm_scope = family == Rtnl.AF_INET ? route.Scope : RouteScope.Universe,
                rtm_type = (byte)route.Type,
                rtm_flags = route.OnLink ? Rtnl.RTNH_F_ONLINK : 0,
            })
            .Address(Rtnl.RTA_DST, route.Destination.BaseAddress)
            .U32(Rtnl.RTA_TABLE, route.Table);
        if (route.InterfaceIndex != 0)
            writer.U32(Rtnl.RTA_OIF, (uint)route.InterfaceIndex);
        if (route.Priority != 0)
            writer.U32(Rtnl.RTA_PRIORITY, route.Priority);
        if (route.PreferredSource is { } source)
            writer.Address(Rtnl.RTA_PREFSRC, source);
        if (route.Gateway is { } gateway)
        {
            var gatewayFamily = AddressFamilies.ToNative(gateway);
            if (gatewayFamily == family)
                writer.Address(Rtnl.RTA_GATEWAY, gateway);
            else
                writer.Bytes(Rtnl.RTA_VIA, [.. BitConverter.GetBytes((ushort)gatewayFamily), .. gateway.GetAddressBytes()]);
        }

        return writer;
    }

    /// <summary>Null for families other than IPv4 and IPv6 and for cached clones of routes.</summary>
    internal static Route? Decode(ReadOnlySpan<byte> payload) => Decode(payload, out var cloned) is { } route && !cloned ? route : null;

    /// <summary>As <see cref="Decode(ReadOnlySpan{byte})"/>, but clones too: a look-up is answered with one.</summary>
    internal static Route? Decode(ReadOnlySpan<byte> payload, out bool cloned)
    {
        var header = NetlinkReader.Struct<RtMsg>(payload, out var attributes);
        cloned = (header.rtm_flags & Rtnl.RTM_F_CLONED) != 0;
        if (!AddressFamilies.IsIP(header.rtm_family))
            return null;

        IPAddress? destination = null, gateway = null, source = null;
        var interfaceIndex = 0;
        uint table = header.rtm_table, priority = 0;
        var multipath = false;
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case Rtnl.RTA_DST:
                    destination = attribute.Address();
                    break;
                case Rtnl.RTA_OIF:
                    interfaceIndex = attribute.S32();
                    break;
                case Rtnl.RTA_GATEWAY:
                    gateway = attribute.Address();
                    break;
                case Rtnl.RTA_VIA:
                    gateway = ReadVia(attribute.Value);
                    break;
                case Rtnl.RTA_PRIORITY:
                    priority = attribute.U32();
                    break;
                case Rtnl.RTA_PREFSRC:
                    source = attribute.Address();
                    break;
                case Rtnl.RTA_TABLE:
                    table = attribute.U32();
                    break;
                case Rtnl.RTA_MULTIPATH:
                    multipath = true;
                    break;
            }
        }

        var route = new Route(
            AddressFamilies.Network(header.rtm_family, destination, header.rtm_dst_len),
            gateway,
            interfaceIndex,
            header.rtm_protocol,
            header.rtm_scope,
            table,
            (RouteType)header.rtm_type,
            (header.rtm_flags & Rtnl.RTNH_F_ONLINK) != 0,
            priority,
            source,
            multipath);
        return route.Discards ? route with { InterfaceIndex = 0 } : route;
    }

    // struct rtvia: a family of two bytes, then the address.
    private static IPAddress ReadVia(ReadOnlySpan<byte> via)
    {
        if (via.Length < 2 || MemoryMarshal.Read<ushort>(via) is var family && (!AddressFamilies.IsIP((byte)family) || family > byte.MaxValue))
            throw NetlinkException.Malformed("RTA_VIA of an unknown family");
        var address = via[2..];
        return address.Length == AddressFamilies.Bits((byte)family) / 8
            ? new(address)
            : throw NetlinkException.Malformed($"RTA_VIA of family {family} with {address.Length} bytes");
    }
}
