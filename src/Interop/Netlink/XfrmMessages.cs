using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Netlink;

/// <summary>Messages about IPsec policies between bytes and records (linux/xfrm.h).</summary>
internal static class XfrmMessages
{
    internal const ushort XFRM_MSG_NEWPOLICY = 0x13;
    internal const ushort XFRM_MSG_GETPOLICY = 0x15;
    internal const ushort XFRM_MSG_GETDEFAULT = 0x28;
    internal const uint XFRMNLGRP_POLICY = 4;

    private const byte XFRM_POLICY_BLOCK = 1;
    private const byte XFRM_USERPOLICY_BLOCK = 1;
    private const ushort XFRMA_TMPL = 5;
    private const ushort XFRMA_MARK = 21;
    private const ushort XFRMA_IF_ID = 31;

    internal static NetlinkWriter GetPolicy() => new NetlinkWriter().Struct(default(XfrmUserPolicyId));

    internal static NetlinkWriter GetDefault() => new NetlinkWriter().Struct(default(XfrmUserPolicyDefault));

    /// <summary>A policy; null for one of a socket, which concerns that socket only.</summary>
    internal static XfrmPolicy? DecodePolicy(ReadOnlySpan<byte> payload)
    {
        var info = NetlinkReader.Struct<XfrmUserPolicyInfo>(payload, out var attributes);
        if (info.dir > (byte)XfrmDirection.Forward)
            return null;

        // A selector of family 0 is for both; its prefixes are then of length 0.
        var selector = payload;
        var family = NetlinkReader.Struct<ushort>(selector[SelectorFamily..]) == Rtnl.AF_INET6 ? Rtnl.AF_INET6 : Rtnl.AF_INET;
        var length = AddressFamilies.Bits(family) / 8;
        var policy = new XfrmPolicy(
            (XfrmDirection)info.dir,
            info.action == XFRM_POLICY_BLOCK,
            Transforms: false,
            info.priority,
            AddressFamilies.Network(family, new IPAddress(selector.Slice(SelectorSource, length)), selector[SelectorSourceLength]),
            AddressFamilies.Network(family, new IPAddress(selector[..length]), selector[SelectorDestinationLength]),
            selector[SelectorProtocol],
            Port(selector[SelectorSourcePort..]),
            Port(selector[SelectorDestinationPort..]),
            NetlinkReader.Struct<int>(selector[SelectorIndex..]),
            InterfaceId: 0,
            Mark: null,
            info.index);

        while (attributes.TryRead(out var attribute))
        {
            policy = attribute.Type switch
            {
                XFRMA_TMPL => policy with { Transforms = attribute.Value.Length > 0 },
                XFRMA_IF_ID => policy with { InterfaceId = attribute.U32() },
                XFRMA_MARK => policy with { Mark = Mark(attribute.Value) },
                _ => policy,
            };
        }

        return policy;
    }

    /// <summary>The defaults, boxed because exchanges deal in objects.</summary>
    internal static object DecodeDefaults(ReadOnlySpan<byte> payload)
    {
        var defaults = NetlinkReader.Struct<XfrmUserPolicyDefault>(payload);
        return new XfrmDefaults(defaults.@in == XFRM_USERPOLICY_BLOCK, defaults.fwd == XFRM_USERPOLICY_BLOCK, defaults.@out == XFRM_USERPOLICY_BLOCK);
    }

    private static ushort? Port(ReadOnlySpan<byte> portAndMask) =>
        BinaryPrimitives.ReadUInt16BigEndian(portAndMask[2..]) == ushort.MaxValue ? BinaryPrimitives.ReadUInt16BigEndian(portAndMask) : null;

    private static (uint Value, uint Mask)? Mark(ReadOnlySpan<byte> mark)
    {
        var (value, mask) = (NetlinkReader.Struct<uint>(mark), NetlinkReader.Struct<uint>(mark[sizeof(uint)..]));
        return mask == 0 ? null : (value, mask);
    }

    // struct xfrm_selector: daddr, saddr, dport, dport_mask, sport, sport_mask, family, prefixlen_d, prefixlen_s, proto, ifindex, user.
    private const int SelectorSource = 16;
    private const int SelectorDestinationPort = 32;
    private const int SelectorSourcePort = 36;
    private const int SelectorFamily = 40;
    private const int SelectorDestinationLength = 42;
    private const int SelectorSourceLength = 43;
    private const int SelectorProtocol = 44;
    private const int SelectorIndex = 48;
}

/// <summary>struct xfrm_userpolicy_info; the selector, 56 bytes, comes first, lifetimes after it.</summary>
[StructLayout(LayoutKind.Explicit, Size = 168)]
internal struct XfrmUserPolicyInfo
{
    [FieldOffset(152)]
    internal uint priority;

    [FieldOffset(156)]
    internal uint index;

    [FieldOffset(160)]
    internal byte dir;

    [FieldOffset(161)]
    internal byte action;
}

/// <summary>struct xfrm_userpolicy_id.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct XfrmUserPolicyId
{
}

/// <summary>struct xfrm_userpolicy_default.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct XfrmUserPolicyDefault
{
    internal byte @in;
    internal byte fwd;
    internal byte @out;
}
