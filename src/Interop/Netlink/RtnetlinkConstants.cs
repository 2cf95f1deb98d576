using System.Runtime.InteropServices;

namespace Accelerated.Interop.Netlink;

/// <summary>Names and values of linux/rtnetlink.h, if_link.h, if_addr.h and neighbour.h that this library uses.</summary>
internal static class Rtnl
{
    internal const byte AF_UNSPEC = 0;
    internal const byte AF_INET = 2;
    internal const byte AF_BRIDGE = 7;
    internal const byte AF_INET6 = 10;

    internal const ushort RTM_NEWLINK = 16;
    internal const ushort RTM_DELLINK = 17;
    internal const ushort RTM_GETLINK = 18;
    internal const ushort RTM_NEWADDR = 20;
    internal const ushort RTM_DELADDR = 21;
    internal const ushort RTM_GETADDR = 22;
    internal const ushort RTM_NEWROUTE = 24;
    internal const ushort RTM_DELROUTE = 25;
    internal const ushort RTM_GETROUTE = 26;
    internal const ushort RTM_NEWNEIGH = 28;
    internal const ushort RTM_DELNEIGH = 29;
    internal const ushort RTM_GETNEIGH = 30;
    internal const ushort RTM_NEWRULE = 32;
    internal const ushort RTM_DELRULE = 33;
    internal const ushort RTM_NEWQDISC = 36;
    internal const ushort RTM_GETQDISC = 38;
    internal const ushort RTM_NEWTFILTER = 44;
    internal const ushort RTM_DELTFILTER = 45;
    internal const ushort RTM_GETTFILTER = 46;

    internal const uint RTNLGRP_LINK = 1;
    internal const uint RTNLGRP_NEIGH = 3;
    internal const uint RTNLGRP_IPV4_IFADDR = 5;
    internal const uint RTNLGRP_IPV4_ROUTE = 7;
    internal const uint RTNLGRP_IPV4_RULE = 8;
    internal const uint RTNLGRP_IPV6_IFADDR = 9;
    internal const uint RTNLGRP_IPV6_ROUTE = 11;
    internal const uint RTNLGRP_IPV6_RULE = 19;

    internal const uint IFF_UP = 0x1;
    internal const uint IFF_LOOPBACK = 0x8;
    internal const uint IFF_LOWER_UP = 0x10000;

    internal const ushort IFLA_ADDRESS = 1;
    internal const ushort IFLA_IFNAME = 3;
    internal const ushort IFLA_MTU = 4;
    internal const ushort IFLA_LINK = 5;
    internal const ushort IFLA_MASTER = 10;
    internal const ushort IFLA_OPERSTATE = 16;
    internal const ushort IFLA_LINKINFO = 18;
    internal const ushort IFLA_AF_SPEC = 26;
    internal const ushort IFLA_EXT_MASK = 29;
    internal const ushort IFLA_LINK_NETNSID = 37;
    internal const ushort IFLA_XDP = 43;
    internal const ushort IFLA_TARGET_NETNSID = 46;
    internal const ushort IFLA_ALT_IFNAME = 53;
    internal const ushort IFLA_XDP_ATTACHED = 2;
    internal const ushort IFLA_INET_CONF = 1;
    internal const int IPV4_DEVCONF_FORWARDING = 1;
    internal const ushort IFLA_INFO_KIND = 1;
    internal const ushort IFLA_INFO_DATA = 2;
    internal const ushort IFLA_INFO_SLAVE_KIND = 4;
    internal const ushort IFLA_INFO_SLAVE_DATA = 5;
    internal const ushort IFLA_BR_VLAN_FILTERING = 7;
    internal const ushort IFLA_BRPORT_STATE = 1;
    internal const uint RTEXT_FILTER_SKIP_STATS = 1 << 3;

    internal const ushort IFLA_VXLAN_ID = 1;
    internal const ushort IFLA_VXLAN_GROUP = 2;
    internal const ushort IFLA_VXLAN_LINK = 3;
    internal const ushort IFLA_VXLAN_LOCAL = 4;
    internal const ushort IFLA_VXLAN_TTL = 5;
    internal const ushort IFLA_VXLAN_TOS = 6;
    internal const ushort IFLA_VXLAN_LEARNING = 7;
    internal const ushort IFLA_VXLAN_AGEING = 8;
    internal const ushort IFLA_VXLAN_LIMIT = 9;
    internal const ushort IFLA_VXLAN_PORT_RANGE = 10;
    internal const ushort IFLA_VXLAN_PROXY = 11;
    internal const ushort IFLA_VXLAN_RSC = 12;
    internal const ushort IFLA_VXLAN_L2MISS = 13;
    internal const ushort IFLA_VXLAN_L3MISS = 14;
    internal const ushort IFLA_VXLAN_PORT = 15;
    internal const ushort IFLA_VXLAN_GROUP6 = 16;
    internal const ushort IFLA_VXLAN_LOCAL6 = 17;
    internal const ushort IFLA_VXLAN_UDP_CSUM = 18;
    internal const ushort IFLA_VXLAN_UDP_ZERO_CSUM6_TX = 19;
    internal const ushort IFLA_VXLAN_UDP_ZERO_CSUM6_RX = 20;
    internal const ushort IFLA_VXLAN_GBP = 23;
    internal const ushort IFLA_VXLAN_COLLECT_METADATA = 25;
    internal const ushort IFLA_VXLAN_LABEL = 26;
    internal const ushort IFLA_VXLAN_GPE = 27;
    internal const ushort IFLA_VXLAN_TTL_INHERIT = 28;
    internal const ushort IFLA_VXLAN_DF = 29;
    internal const ushort IFLA_VXLAN_VNIFILTER = 30;

    internal const ushort IFA_ADDRESS = 1;
    internal const ushort IFA_LOCAL = 2;
    internal const ushort IFA_LABEL = 3;
    internal const ushort IFA_FLAGS = 8;

    internal const ushort RTA_DST = 1;
    internal const ushort RTA_OIF = 4;
    internal const ushort RTA_GATEWAY = 5;
    internal const ushort RTA_PRIORITY = 6;
    internal const ushort RTA_PREFSRC = 7;
    internal const ushort RTA_MULTIPATH = 9;
    internal const ushort RTA_TABLE = 15;
    internal const ushort RTA_VIA = 18;
    internal const uint RTNH_F_ONLINK = 4;
    internal const uint RTM_F_CLONED = 0x200;
    internal const uint RTM_F_LOOKUP_TABLE = 0x1000;
    internal const byte RT_TABLE_UNSPEC = 0;

    internal const ushort NDA_DST = 1;
    internal const ushort NDA_LLADDR = 2;
    internal const ushort NDA_PORT = 6;
    internal const ushort NDA_VNI = 7;
    internal const ushort NDA_IFINDEX = 8;
    internal const ushort NDA_MASTER = 9;
}

/// <summary>struct ifinfomsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IfInfoMsg
{
    internal byte ifi_family;
    internal byte ifi_pad;
    internal ushort ifi_type;
    internal int ifi_index;
    internal uint ifi_flags;
    internal uint ifi_change;
}

/// <summary>struct ifaddrmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IfAddrMsg
{
    internal byte ifa_family;
    internal byte ifa_prefixlen;
    internal byte ifa_flags;
    internal byte ifa_scope;
    internal int ifa_index;
}

/// <summary>struct rtmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RtMsg
{
    internal byte rtm_family;
    internal byte rtm_dst_len;
    internal byte rtm_src_len;
    internal byte rtm_tos;
    internal byte rtm_table;
    internal byte rtm_protocol;
    internal byte rtm_scope;
    internal byte rtm_type;
    internal uint rtm_flags;
}

/// <summary>struct ndmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NdMsg
{
    internal byte ndm_family;
    internal byte ndm_pad1;
    internal ushort ndm_pad2;
    internal int ndm_ifindex;
    internal ushort ndm_state;
    internal byte ndm_flags;
    internal byte ndm_type;
}

/// <summary>struct tcmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TcMsg
{
    internal byte tcm_family;
    internal byte tcm_pad1;
    internal ushort tcm_pad2;
    internal int tcm_ifindex;
    internal uint tcm_handle;
    internal uint tcm_parent;
    internal uint tcm_info;
}
