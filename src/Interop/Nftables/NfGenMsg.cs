using System.Runtime.InteropServices;

namespace Accelerated.Interop.Nftables;

/// <summary>struct nfgenmsg of linux/netfilter/nfnetlink.h; res_id is big-endian.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NfGenMsg
{
    internal byte nfgen_family;
    internal byte version;
    internal ushort res_id;
}
