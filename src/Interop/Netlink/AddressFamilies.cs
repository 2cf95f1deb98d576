using System.Net;
using System.Net.Sockets;

namespace Accelerated.Interop.Netlink;

/// <summary>Between .NET's address families, which have Windows' numbers, and the kernel's.</summary>
internal static class AddressFamilies
{
    internal static byte ToNative(AddressFamily family) => family switch
    {
        AddressFamily.InterNetwork => Rtnl.AF_INET,
        AddressFamily.InterNetworkV6 => Rtnl.AF_INET6,
        _ => throw new ArgumentException($"{family} is neither IPv4 nor IPv6", nameof(family)),
    };

    internal static byte ToNative(IPAddress address) => ToNative(address.AddressFamily);

    internal static bool IsIP(byte native) => native is Rtnl.AF_INET or Rtnl.AF_INET6;

    /// <summary>The length of an address in bits.</summary>
    internal static int Bits(byte native) => native == Rtnl.AF_INET ? 32 : 128;

    internal static int Bits(IPAddress address) => Bits(ToNative(address));

    /// <summary>The prefix of a kernel message: no address means the zero one, and bits beyond the prefix are cleared.</summary>
    internal static IPNetwork Network(byte family, IPAddress? address, int prefixLength)
    {
        var bits = Bits(family);
        if (prefixLength > bits || (address is not null && ToNative(address) != family))
            throw NetlinkException.Malformed($"prefix {address}/{prefixLength} in a message of family {family}");

        Span<byte> bytes = stackalloc byte[bits / 8];
        bytes.Clear();
        address?.TryWriteBytes(bytes, out _);
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] &= (byte)~(0xff >> Math.Clamp(prefixLength - i * 8, 0, 8));
        return new(new IPAddress(bytes), prefixLength);
    }
}
