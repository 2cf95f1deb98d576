using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Accelerated.Agent.State;

/// <summary>Addresses of either family as 128-bit numbers, so that one body of code serves both.</summary>
internal static class IPMath
{
    /// <summary>The address as a number; an IPv4 address fills the low 32 bits.</summary>
    public static UInt128 ToNumber(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        if (address.AddressFamily == AddressFamily.InterNetwork)
            address.TryWriteBytes(bytes[12..], out _);
        else
            address.TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    /// <summary>
    /// Parses an address of one family in the forms Go's net.ParseIP knows. <see cref="IPAddress.TryParse(string, out IPAddress)"/> takes
    /// more: <c>10.5</c> and <c>010.5.0.1</c> are other addresses than they look, and <c>[::1]:80</c> or <c>fe80::1%eth0</c> are none at all.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, AddressFamily family, [NotNullWhen(true)] out IPAddress? address) =>
        IPAddress.TryParse(text, out address) && address.AddressFamily == family
        && (family == AddressFamily.InterNetwork ? text.SequenceEqual(address.ToString()) : text.IndexOfAny("%[/") < 0);

    /// <summary>The number as an address of the family of <paramref name="like"/>.</summary>
    public static IPAddress ToAddress(UInt128 value, IPNetwork like)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, value);
        return like.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? new IPAddress(bytes[12..]) : new IPAddress(bytes);
    }

    /// <summary>How many addresses a prefix of <paramref name="length"/> bits holds; 0 stands for 2^128.</summary>
    public static UInt128 Size(AddressFamily family, int length)
    {
        var bits = Bits(family) - length;
        return bits == 128 ? 0 : UInt128.One << bits;
    }

    /// <summary>First and last address of a network, both inclusive.</summary>
    public static (UInt128 First, UInt128 Last) Range(IPNetwork network)
    {
        var first = ToNumber(network.BaseAddress);
        return (first, first + Size(network.BaseAddress.AddressFamily, network.PrefixLength) - 1);
    }

    /// <summary>Whether two networks of one family share an address.</summary>
    public static bool Overlap(IPNetwork a, IPNetwork b) => a.Contains(b.BaseAddress) || b.Contains(a.BaseAddress);

    /// <summary>Whether <paramref name="inner"/> lies wholly in <paramref name="outer"/>.</summary>
    public static bool Contains(this IPNetwork outer, IPNetwork inner) =>
        inner.PrefixLength >= outer.PrefixLength && outer.Contains(inner.BaseAddress);

    /// <summary>The address one above the network address: the gateway that flannel and Docker's <c>--bip</c> give the bridge.</summary>
    public static IPAddress FirstHost(IPNetwork network) => ToAddress(ToNumber(network.BaseAddress) + 1, network);

    /// <summary>The network of <paramref name="length"/> bits around an address, host bits cleared.</summary>
    public static IPNetwork Mask(IPAddress address, int length)
    {
        var size = Size(address.AddressFamily, length);
        var value = size == 0 ? 0 : ToNumber(address) / size * size;
        return new IPNetwork(ToAddress(value, new IPNetwork(address, Bits(address.AddressFamily))), length);
    }

    /// <summary>32 or 128.</summary>
    public static int Bits(AddressFamily family) => family == AddressFamily.InterNetwork ? 32 : 128;
}
