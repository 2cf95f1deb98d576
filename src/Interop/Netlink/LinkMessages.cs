using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace Accelerated.Interop.Netlink;

/// <summary>RTM_*LINK between bytes and records.</summary>
internal static class LinkMessages
{
    private const int LongestName = 15; // IFNAMSIZ less the terminating zero.
    private const int LongestAlternativeName = 127; // ALTIFNAMSIZ likewise.

    /// <summary>A request for one link by index, or for all.</summary>
    /// <remarks>Statistics are most of a link message and nobody here reads them.</remarks>
    internal static NetlinkWriter Get(int index = 0) =>
        new NetlinkWriter()
            .Struct(new IfInfoMsg { ifi_index = index })
            .U32(Rtnl.IFLA_EXT_MASK, Rtnl.RTEXT_FILTER_SKIP_STATS);

    /// <summary>A request for all links of another namespace.</summary>
    internal static NetlinkWriter GetOf(int namespaceId) => Get().U32(Rtnl.IFLA_TARGET_NETNSID, (uint)namespaceId);

    /// <summary>A request for one link by its name or an alternative name; null if no link can have that name.</summary>
    internal static NetlinkWriter? Get(string name) => Encoding.UTF8.GetByteCount(name) switch
    {
        0 or > LongestAlternativeName => null,
        > LongestName => Get().Text(Rtnl.IFLA_ALT_IFNAME, name),
        _ => Get().Text(Rtnl.IFLA_IFNAME, name),
    };

    internal static NetlinkWriter Change(int index, bool? up)
    {
        var header = new IfInfoMsg { ifi_index = index };
        if (up is { } wanted)
        {
            header.ifi_change = Rtnl.IFF_UP;
            header.ifi_flags = wanted ? Rtnl.IFF_UP : 0;
        }

        return new NetlinkWriter().Struct(header);
    }

    internal static NetlinkWriter New(VxlanLinkSpec spec) =>
        new NetlinkWriter()
            .Struct(default(IfInfoMsg))
            .Text(Rtnl.IFLA_IFNAME, spec.Name)
            .Mac(Rtnl.IFLA_ADDRESS, spec.Address)
            .U32(Rtnl.IFLA_MTU, (uint)spec.Mtu)
            .Nested(Rtnl.IFLA_LINKINFO, info => info
                .Text(Rtnl.IFLA_INFO_KIND, "vxlan")
                .Nested(Rtnl.IFLA_INFO_DATA, data => Write(data, spec.Parameters)));

    internal static Link Decode(ReadOnlySpan<byte> payload)
    {
        var header = NetlinkReader.Struct<IfInfoMsg>(payload, out var attributes);
        var link = new Link(
            header.ifi_index,
            Name: "",
            Kind: null,
            Address: null,
            Mtu: 0,
            IsUp: (header.ifi_flags & Rtnl.IFF_UP) != 0,
            HasCarrier: (header.ifi_flags & Rtnl.IFF_LOWER_UP) != 0,
            OperState.Unknown,
            Flags: header.ifi_flags);

        while (attributes.TryRead(out var attribute))
        {
            link = attribute.Type switch
            {
                Rtnl.IFLA_IFNAME => link with { Name = attribute.Text() },
                Rtnl.IFLA_ADDRESS => link with { Address = attribute.Mac() },
                Rtnl.IFLA_MTU => link with { Mtu = attribute.S32() },
                Rtnl.IFLA_LINK => link with { ParentIndex = attribute.S32() },
                Rtnl.IFLA_LINK_NETNSID => link with { ParentNetns = attribute.S32() },
                Rtnl.IFLA_MASTER => link with { MasterIndex = attribute.S32() },
                Rtnl.IFLA_OPERSTATE => link with { OperState = (OperState)attribute.U8() },
                Rtnl.IFLA_LINKINFO => WithInfo(link, attribute.Nested()),
                // A bridge speaks of its ports with a nest of its own here, whose VLANs would be read as a family's settings.
                Rtnl.IFLA_AF_SPEC when header.ifi_family == Rtnl.AF_UNSPEC => link with { ForwardsIPv4 = ReadForwarding(attribute.Nested()) },
                Rtnl.IFLA_XDP => link with { HasXdp = IsXdpAttached(attribute.Nested()) },
                _ => link,
            };
        }

        return link;
    }

    private static bool IsXdpAttached(AttributeReader xdp)
    {
        var attached = false;
        while (xdp.TryRead(out var attribute))
            attached |= attribute.Type == Rtnl.IFLA_XDP_ATTACHED && attribute.U8() != 0;
        return attached;
    }

    private static Link WithInfo(Link link, AttributeReader info)
    {
        // The kernel writes the kind before the data, but nothing says it must.
        string? kind = null, portKind = null;
        var data = default(NetlinkAttribute);
        var portData = default(NetlinkAttribute);
        while (info.TryRead(out var attribute))
        {
            if (attribute.Type == Rtnl.IFLA_INFO_KIND)
                kind = attribute.Text();
            else if (attribute.Type == Rtnl.IFLA_INFO_DATA)
                data = attribute;
            else if (attribute.Type == Rtnl.IFLA_INFO_SLAVE_KIND)
                portKind = attribute.Text();
            else if (attribute.Type == Rtnl.IFLA_INFO_SLAVE_DATA)
                portData = attribute;
        }

        return link with
        {
            Kind = kind,
            Vxlan = kind == "vxlan" ? Read(data.Nested()) : null,
            FiltersVlans = kind == "bridge" && Find(data.Nested(), Rtnl.IFLA_BR_VLAN_FILTERING) is > 0,
            PortState = portKind == "bridge" ? Find(portData.Nested(), Rtnl.IFLA_BRPORT_STATE) : null,
        };
    }

    // The value of a one-byte attribute; null when it is not there.
    private static byte? Find(AttributeReader attributes, ushort type)
    {
        while (attributes.TryRead(out var attribute))
        {
            if (attribute.Type == type)
                return attribute.U8();
        }

        return null;
    }

    // IFLA_AF_SPEC holds a nest for each family; IPv4's has an array of all settings, counted from 1.
    private static bool ReadForwarding(AttributeReader families)
    {
        while (families.TryRead(out var family))
        {
            if (family.Type != Rtnl.AF_INET)
                continue;
            var settings = family.Nested();
            while (settings.TryRead(out var one))
            {
                if (one.Type == Rtnl.IFLA_INET_CONF && one.Value.Length >= Rtnl.IPV4_DEVCONF_FORWARDING * sizeof(uint))
                    return MemoryMarshal.Cast<byte, uint>(one.Value)[Rtnl.IPV4_DEVCONF_FORWARDING - 1] != 0;
            }
        }

        return false;
    }

    private static void Write(NetlinkWriter data, VxlanParameters vxlan)
    {
        data.U32(Rtnl.IFLA_VXLAN_ID, vxlan.Vni)
            .Bool(Rtnl.IFLA_VXLAN_LEARNING, vxlan.Learning)
            .U16BigEndian(Rtnl.IFLA_VXLAN_PORT, checked((ushort)vxlan.Port))
            .Bool(Rtnl.IFLA_VXLAN_UDP_CSUM, vxlan.UdpChecksum)
            .Bool(Rtnl.IFLA_VXLAN_UDP_ZERO_CSUM6_TX, vxlan.UdpZeroChecksum6Tx)
            .Bool(Rtnl.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, vxlan.UdpZeroChecksum6Rx)
            .Bool(Rtnl.IFLA_VXLAN_PROXY, vxlan.Proxy)
            .Bool(Rtnl.IFLA_VXLAN_RSC, vxlan.RouteShortCircuit)
            .Bool(Rtnl.IFLA_VXLAN_L2MISS, vxlan.L2Miss)
            .Bool(Rtnl.IFLA_VXLAN_L3MISS, vxlan.L3Miss)
            .U8(Rtnl.IFLA_VXLAN_TOS, vxlan.Tos)
            .U32(Rtnl.IFLA_VXLAN_AGEING, vxlan.AgeingSeconds)
            .Flag(Rtnl.IFLA_VXLAN_GBP, vxlan.Gbp)
            .Flag(Rtnl.IFLA_VXLAN_GPE, vxlan.Gpe);

        if (vxlan.InheritTtl)
            data.Flag(Rtnl.IFLA_VXLAN_TTL_INHERIT, true);
        else
            data.U8(Rtnl.IFLA_VXLAN_TTL, vxlan.Ttl);
        if (vxlan.UnderlayIndex != 0)
            data.U32(Rtnl.IFLA_VXLAN_LINK, (uint)vxlan.UnderlayIndex);
        if (vxlan.Local is { } local)
            data.Address(AddressFamilies.ToNative(local) == Rtnl.AF_INET ? Rtnl.IFLA_VXLAN_LOCAL : Rtnl.IFLA_VXLAN_LOCAL6, local);
        if (vxlan.Group is { } group)
            data.Address(AddressFamilies.ToNative(group) == Rtnl.AF_INET ? Rtnl.IFLA_VXLAN_GROUP : Rtnl.IFLA_VXLAN_GROUP6, group);

        // Left out unless wanted, so that kernels which do not know them yet never see them.
        if (vxlan.CollectMetadata)
            data.Bool(Rtnl.IFLA_VXLAN_COLLECT_METADATA, true);
        if (vxlan.VniFilter)
            data.Bool(Rtnl.IFLA_VXLAN_VNIFILTER, true);
        if (vxlan.DontFragment != 0)
            data.U8(Rtnl.IFLA_VXLAN_DF, vxlan.DontFragment);
        if (vxlan.FlowLabel != 0)
            data.U32BigEndian(Rtnl.IFLA_VXLAN_LABEL, vxlan.FlowLabel);
        if (vxlan.MaximumAddresses != 0)
            data.U32(Rtnl.IFLA_VXLAN_LIMIT, vxlan.MaximumAddresses);
        if (vxlan.SourcePortLow != 0 || vxlan.SourcePortHigh != 0)
            data.U32BigEndian(Rtnl.IFLA_VXLAN_PORT_RANGE, (uint)checked((ushort)vxlan.SourcePortLow) << 16 | checked((ushort)vxlan.SourcePortHigh));
    }

    private static VxlanParameters Read(AttributeReader data)
    {
        // What the kernel leaves out is off, whatever the record's default is.
        var vxlan = new VxlanParameters { Vni = 0, UnderlayIndex = 0, Port = 0, UdpChecksum = false, AgeingSeconds = 0 };
        while (data.TryRead(out var attribute))
        {
            vxlan = attribute.Type switch
            {
                Rtnl.IFLA_VXLAN_ID => vxlan with { Vni = attribute.U32() },
                Rtnl.IFLA_VXLAN_LINK => vxlan with { UnderlayIndex = attribute.S32() },
                Rtnl.IFLA_VXLAN_LOCAL or Rtnl.IFLA_VXLAN_LOCAL6 => vxlan with { Local = Specified(attribute.Address()) },
                Rtnl.IFLA_VXLAN_GROUP or Rtnl.IFLA_VXLAN_GROUP6 => vxlan with { Group = Specified(attribute.Address()) },
                Rtnl.IFLA_VXLAN_PORT => vxlan with { Port = attribute.U16BigEndian() },
                Rtnl.IFLA_VXLAN_PORT_RANGE => vxlan with
                {
                    SourcePortLow = (int)(attribute.U32BigEndian() >> 16),
                    SourcePortHigh = (int)(attribute.U32BigEndian() & 0xffff),
                },
                Rtnl.IFLA_VXLAN_LEARNING => vxlan with { Learning = attribute.Bool() },
                Rtnl.IFLA_VXLAN_GBP => vxlan with { Gbp = true },
                Rtnl.IFLA_VXLAN_GPE => vxlan with { Gpe = true },
                Rtnl.IFLA_VXLAN_L2MISS => vxlan with { L2Miss = attribute.Bool() },
                Rtnl.IFLA_VXLAN_L3MISS => vxlan with { L3Miss = attribute.Bool() },
                Rtnl.IFLA_VXLAN_PROXY => vxlan with { Proxy = attribute.Bool() },
                Rtnl.IFLA_VXLAN_RSC => vxlan with { RouteShortCircuit = attribute.Bool() },
                Rtnl.IFLA_VXLAN_UDP_CSUM => vxlan with { UdpChecksum = attribute.Bool() },
                Rtnl.IFLA_VXLAN_UDP_ZERO_CSUM6_TX => vxlan with { UdpZeroChecksum6Tx = attribute.Bool() },
                Rtnl.IFLA_VXLAN_UDP_ZERO_CSUM6_RX => vxlan with { UdpZeroChecksum6Rx = attribute.Bool() },
                Rtnl.IFLA_VXLAN_COLLECT_METADATA => vxlan with { CollectMetadata = attribute.Bool() },
                Rtnl.IFLA_VXLAN_VNIFILTER => vxlan with { VniFilter = attribute.Bool() },
                Rtnl.IFLA_VXLAN_TTL => vxlan with { Ttl = attribute.U8() },
                Rtnl.IFLA_VXLAN_TTL_INHERIT => vxlan with { InheritTtl = attribute.Bool() },
                Rtnl.IFLA_VXLAN_TOS => vxlan with { Tos = attribute.U8() },
                Rtnl.IFLA_VXLAN_DF => vxlan with { DontFragment = attribute.U8() },
                Rtnl.IFLA_VXLAN_LABEL => vxlan with { FlowLabel = attribute.U32BigEndian() },
                Rtnl.IFLA_VXLAN_AGEING => vxlan with { AgeingSeconds = attribute.U32() },
                Rtnl.IFLA_VXLAN_LIMIT => vxlan with { MaximumAddresses = attribute.U32() },
                _ => vxlan,
            };
        }

        return vxlan;
    }

    private static IPAddress? Specified(IPAddress address) =>
        address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) ? null : address;
}
