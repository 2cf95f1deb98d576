using System.Runtime.InteropServices;

namespace Accelerated.Interop.Netlink;

/// <summary>Names and values of linux/netlink.h: what all netlink families share.</summary>
internal static class Nl
{
    internal const int NETLINK_ROUTE = 0;
    internal const int NETLINK_XFRM = 6;
    internal const int NETLINK_NETFILTER = 12;

    internal const int SOL_NETLINK = 270;
    internal const int NETLINK_ADD_MEMBERSHIP = 1;
    internal const int NETLINK_CAP_ACK = 10;
    internal const int NETLINK_EXT_ACK = 11;
    internal const int NETLINK_GET_STRICT_CHK = 12;

    internal const ushort NLMSG_NOOP = 1;
    internal const ushort NLMSG_ERROR = 2;
    internal const ushort NLMSG_DONE = 3;
    internal const ushort NLMSG_OVERRUN = 4;

    internal const ushort NLM_F_REQUEST = 0x01;
    internal const ushort NLM_F_MULTI = 0x02;
    internal const ushort NLM_F_ACK = 0x04;
    internal const ushort NLM_F_DUMP_INTR = 0x10;
    internal const ushort NLM_F_DUMP = 0x300;
    internal const ushort NLM_F_REPLACE = 0x100;
    internal const ushort NLM_F_EXCL = 0x200;
    internal const ushort NLM_F_CREATE = 0x400;
    internal const ushort NLM_F_CAPPED = 0x100; // In an NLMSG_ERROR: only the header of the request is echoed.
    internal const ushort NLM_F_ACK_TLVS = 0x200; // In an NLMSG_ERROR or NLMSG_DONE: attributes follow.

    internal const ushort NLMSGERR_ATTR_MSG = 1;

    internal const ushort NLA_F_NESTED = 0x8000;
    internal const ushort NLA_TYPE_MASK = 0x3fff;

    internal const int HeaderLength = 16;
    internal const int AttributeHeaderLength = 4;

    /// <summary>Rounds a length up to the 4 bytes that messages and attributes start at.</summary>
    internal static int Align(int length) => (length + 3) & ~3;
}

/// <summary>struct nlmsghdr of linux/netlink.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NlMsgHdr
{
    internal uint nlmsg_len;
    internal ushort nlmsg_type;
    internal ushort nlmsg_flags;
    internal uint nlmsg_seq;
    internal uint nlmsg_pid;
}

/// <summary>struct nlattr of linux/netlink.h; nla_len counts these four bytes, not the padding.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NlAttr
{
    internal ushort nla_len;
    internal ushort nla_type;
}
