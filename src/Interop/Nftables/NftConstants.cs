namespace Accelerated.Interop.Nftables;

/// <summary>Names and values of linux/netfilter/nf_tables.h.</summary>
internal static class Nft
{
    internal const ushort Subsystem = 10 << 8; // NFNL_SUBSYS_NFTABLES

    /// <summary>linux/netfilter/nfnetlink.h: a transaction stands between these two.</summary>
    internal const ushort NFNL_MSG_BATCH_BEGIN = 0x10;
    internal const ushort NFNL_MSG_BATCH_END = 0x11;
    internal const ushort NFNL_BATCH_GENID = 1;

    internal const ushort NFT_MSG_NEWTABLE = Subsystem | 0;
    internal const ushort NFT_MSG_GETTABLE = Subsystem | 1;
    internal const ushort NFT_MSG_NEWCHAIN = Subsystem | 3;
    internal const ushort NFT_MSG_GETCHAIN = Subsystem | 4;
    internal const ushort NFT_MSG_NEWRULE = Subsystem | 6;
    internal const ushort NFT_MSG_GETRULE = Subsystem | 7;
    internal const ushort NFT_MSG_NEWSET = Subsystem | 9;
    internal const ushort NFT_MSG_GETSET = Subsystem | 10;
    internal const ushort NFT_MSG_NEWSETELEM = Subsystem | 12;
    internal const ushort NFT_MSG_GETSETELEM = Subsystem | 13;
    internal const ushort NFT_MSG_DELSETELEM = Subsystem | 14;
    internal const ushort NFT_MSG_NEWGEN = Subsystem | 15;
    internal const ushort NFT_MSG_GETGEN = Subsystem | 16;

    internal const ushort NFTA_LIST_ELEM = 1;
    internal const ushort NFTA_GEN_ID = 1;

    internal const ushort NFTA_TABLE_NAME = 1;
    internal const ushort NFTA_TABLE_FLAGS = 2;
    internal const uint NFT_TABLE_F_DORMANT = 1;

    internal const ushort NFTA_CHAIN_TABLE = 1;
    internal const ushort NFTA_CHAIN_NAME = 3;
    internal const ushort NFTA_CHAIN_HOOK = 4;
    internal const ushort NFTA_CHAIN_POLICY = 5;
    internal const ushort NFTA_CHAIN_TYPE = 7;
    internal const ushort NFTA_HOOK_HOOKNUM = 1;
    internal const ushort NFTA_HOOK_DEV = 3;
    internal const ushort NFTA_HOOK_DEVS = 4;
    internal const ushort NFTA_DEVICE_PREFIX = 2; // Linux 6.16: a name without its end, shown with a star.

    internal const ushort NFTA_RULE_TABLE = 1;
    internal const ushort NFTA_RULE_CHAIN = 2;
    internal const ushort NFTA_RULE_HANDLE = 3;
    internal const ushort NFTA_RULE_EXPRESSIONS = 4;
    internal const ushort NFTA_RULE_USERDATA = 7;
    internal const byte NFTNL_UDATA_RULE_COMMENT = 0; // libnftnl's udata.h: type, length, value; the kernel only keeps it.

    internal const ushort NFTA_SET_TABLE = 1;
    internal const ushort NFTA_SET_NAME = 2;
    internal const ushort NFTA_SET_FLAGS = 3;
    internal const ushort NFTA_SET_KEY_LEN = 5;
    internal const uint NFT_SET_ANONYMOUS = 0x1;
    internal const uint NFT_SET_INTERVAL = 0x4;
    internal const uint NFT_SET_TIMEOUT = 0x10;
    internal const uint NFT_SET_EVAL = 0x20;

    internal const ushort NFTA_SET_ELEM_LIST_TABLE = 1;
    internal const ushort NFTA_SET_ELEM_LIST_SET = 2;
    internal const ushort NFTA_SET_ELEM_LIST_ELEMENTS = 3;
    internal const ushort NFTA_SET_ELEM_KEY = 1;
    internal const ushort NFTA_SET_ELEM_DATA = 2;
    internal const ushort NFTA_SET_ELEM_FLAGS = 3;
    internal const ushort NFTA_SET_ELEM_KEY_END = 10;
    internal const uint NFT_SET_ELEM_INTERVAL_END = 1;
    internal const uint NFT_SET_ELEM_CATCHALL = 2;

    internal const ushort NFTA_DATA_VALUE = 1;
    internal const ushort NFTA_DATA_VERDICT = 2;
    internal const ushort NFTA_VERDICT_CODE = 1;
    internal const ushort NFTA_VERDICT_CHAIN = 2;

    internal const ushort NFTA_EXPR_NAME = 1;
    internal const ushort NFTA_EXPR_DATA = 2;

    /// <summary>Expressions carry their numbers under small attribute types; these are shared by many.</summary>
    internal const ushort NFTA_PAYLOAD_DREG = 1;
    internal const ushort NFTA_PAYLOAD_BASE = 2;
    internal const ushort NFTA_PAYLOAD_OFFSET = 3;
    internal const ushort NFTA_PAYLOAD_LEN = 4;
    internal const ushort NFTA_PAYLOAD_SREG = 5;
    internal const ushort NFTA_META_DREG = 1;
    internal const ushort NFTA_META_KEY = 2;
    internal const ushort NFTA_META_SREG = 3;
    internal const ushort NFTA_CT_DREG = 1;
    internal const ushort NFTA_CT_KEY = 2;
    internal const ushort NFTA_CT_SREG = 4;
    internal const ushort NFTA_FIB_DREG = 1;
    internal const ushort NFTA_FIB_RESULT = 2;
    internal const ushort NFTA_FIB_FLAGS = 3;
    internal const ushort NFTA_CMP_SREG = 1;
    internal const ushort NFTA_CMP_OP = 2;
    internal const ushort NFTA_CMP_DATA = 3;
    internal const ushort NFTA_RANGE_SREG = 1;
    internal const ushort NFTA_RANGE_OP = 2;
    internal const ushort NFTA_RANGE_FROM_DATA = 3;
    internal const ushort NFTA_RANGE_TO_DATA = 4;
    internal const ushort NFTA_BITWISE_SREG = 1;
    internal const ushort NFTA_BITWISE_DREG = 2;
    internal const ushort NFTA_BITWISE_MASK = 4;
    internal const ushort NFTA_BITWISE_XOR = 5;
    internal const ushort NFTA_BITWISE_OP = 6;
    internal const ushort NFTA_BYTEORDER_SREG = 1;
    internal const ushort NFTA_BYTEORDER_DREG = 2;
    internal const ushort NFTA_BYTEORDER_SIZE = 5;
    internal const ushort NFTA_LOOKUP_SET = 1;
    internal const ushort NFTA_LOOKUP_SREG = 2;
    internal const ushort NFTA_LOOKUP_DREG = 3;
    internal const ushort NFTA_LOOKUP_FLAGS = 5;
    internal const ushort NFTA_IMMEDIATE_DREG = 1;
    internal const ushort NFTA_IMMEDIATE_DATA = 2;
    internal const ushort NFTA_OBJREF_IMM_TYPE = 1;
    internal const ushort NFTA_COMPAT_NAME = 1;
    internal const ushort NFTA_COMPAT_REV = 2;
    internal const ushort NFTA_COMPAT_INFO = 3;

    internal const uint NFT_REG_VERDICT = 0;
    internal const uint NFT_REG32_00 = 8;

    internal const int NFT_CONTINUE = -1;
    internal const int NFT_BREAK = -2;
    internal const int NFT_JUMP = -3;
    internal const int NFT_GOTO = -4;
    internal const int NFT_RETURN = -5;
    internal const int NF_DROP = 0;
    internal const int NF_ACCEPT = 1;
}
