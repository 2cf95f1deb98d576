using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>An address of either family in 16 bytes, as the maps have it: IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).</summary>
[InlineArray(Length)]
public struct OverlayAddress
{
    /// <summary>Bytes.</summary>
    public const int Length = 16;

    /// <summary>How much longer a prefix of an IPv4 address is in this form.</summary>
    public const int Ipv4PrefixBits = 96;

    private byte _first;

    /// <summary>Makes it of an IPv4 or IPv6 address.</summary>
    public static OverlayAddress From(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        var result = default(OverlayAddress);
        if (!address.MapToIPv6().TryWriteBytes(result, out _))
            throw new ArgumentException($"{address} is no IP address", nameof(address));
        return result;
    }

    /// <summary>The address, IPv4 if it is one.</summary>
    public readonly IPAddress ToIPAddress()
    {
        var address = new IPAddress((ReadOnlySpan<byte>)this);
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    /// <summary>The length of a prefix in this form.</summary>
    internal static uint PrefixLength(IPNetwork network) =>
        (uint)(network.PrefixLength + (network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? Ipv4PrefixBits : 0));

    /// <summary>The address in its usual form.</summary>
    public override readonly string ToString() => ToIPAddress().ToString();
}
