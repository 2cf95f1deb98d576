using System.Net;

namespace Accelerated.Interop.Netlink;

/// <summary>RTM_*ADDR between bytes and records.</summary>
internal static class AddressMessages
{
    // What the kernel takes from a user; the other bits are its own findings.
    private const uint SettableFlags = 0x02 | 0x04 | 0x10 | 0x100 | 0x200 | 0x400;

    internal static NetlinkWriter Get(byte family, int interfaceIndex) =>
        new NetlinkWriter().Struct(new IfAddrMsg { ifa_family = family, ifa_index = interfaceIndex });

    internal static NetlinkWriter Encode(InterfaceAddress address)
    {
        var family = AddressFamilies.ToNative(address.Address);
        var writer = new NetlinkWriter()
            .Struct(new IfAddrMsg
            {
                ifa_family = family,
                ifa_prefixlen = checked((byte)address.PrefixLength),
                ifa_scope = address.Scope,
                ifa_index = address.InterfaceIndex,
            })
            .Address(Rtnl.IFA_LOCAL, address.Address)
            .Address(Rtnl.IFA_ADDRESS, address.Peer ?? address.Address);
        if ((address.Flags & SettableFlags) is not 0 and var flags)
            writer.U32(Rtnl.IFA_FLAGS, flags);
        if (address.Label is { } label && family == Rtnl.AF_INET)
            writer.Text(Rtnl.IFA_LABEL, label);
        return writer;
    }

    /// <summary>Null for families other than IPv4 and IPv6.</summary>
    internal static InterfaceAddress? Decode(ReadOnlySpan<byte> payload)
    {
        var header = NetlinkReader.Struct<IfAddrMsg>(payload, out var attributes);
        if (!AddressFamilies.IsIP(header.ifa_family))
            return null;

        IPAddress? local = null, address = null;
        string? label = null;
        uint flags = header.ifa_flags; // The low eight bits; IFA_FLAGS has them all.
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case Rtnl.IFA_LOCAL:
                    local = attribute.Address();
                    break;
                case Rtnl.IFA_ADDRESS:
                    address = attribute.Address();
                    break;
                case Rtnl.IFA_LABEL:
                    label = attribute.Text();
                    break;
                case Rtnl.IFA_FLAGS:
                    flags = attribute.U32();
                    break;
            }
        }

        // IPv4 always sends both; IPv6 sends IFA_LOCAL only when IFA_ADDRESS is a peer.
        var own = local ?? address ?? throw NetlinkException.Malformed("address message without an address");
        if (AddressFamilies.ToNative(own) != header.ifa_family || header.ifa_prefixlen > AddressFamilies.Bits(own))
            throw NetlinkException.Malformed($"address {own}/{header.ifa_prefixlen} in a message of family {header.ifa_family}");
        var peer = address is not null && !address.Equals(own) ? address : null;
        return new(header.ifa_index, own, header.ifa_prefixlen, header.ifa_scope, flags, label, peer);
    }
}
