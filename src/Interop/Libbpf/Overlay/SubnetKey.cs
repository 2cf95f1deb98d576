using System.Net;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Key of the subnets map: an overlay prefix (struct subnet_key of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 20)]
public struct SubnetKey
{
    /// <summary>Of the 128-bit address: 96 more than IPv4 says.</summary>
    [FieldOffset(0)]
    public uint PrefixLength;

    /// <summary>The first address of the prefix.</summary>
    [FieldOffset(4)]
    public OverlayAddress Address;

    /// <summary>Makes the key of a prefix.</summary>
    public static SubnetKey From(IPNetwork network) =>
        new() { PrefixLength = OverlayAddress.PrefixLength(network), Address = OverlayAddress.From(network.BaseAddress) };

    /// <summary>The prefix.</summary>
    public readonly IPNetwork ToIPNetwork()
    {
        var address = Address.ToIPAddress();
        var ipv4 = address.GetAddressBytes().Length == 4;
        return new(address, (int)PrefixLength - (ipv4 ? OverlayAddress.Ipv4PrefixBits : 0));
    }

    /// <summary>The prefix, ADDRESS/LENGTH.</summary>
    public override readonly string ToString() => ToIPNetwork().ToString();
}
