using System.Buffers.Binary;
using System.Globalization;

namespace Accelerated.Interop;

/// <summary>A 48-bit Ethernet hardware address.</summary>
public readonly record struct MacAddress
{
    /// <summary>The length in bytes.</summary>
    public const int Length = 6;

    // The first byte on the wire is the most significant of the six.
    private readonly ulong _value;

    private MacAddress(ulong value) => _value = value;

    /// <summary>Whether it names one station: the group bit of the first byte is clear.</summary>
    public bool IsUnicast => (_value >> 40 & 1) == 0;

    /// <summary>Whether it was not assigned by a manufacturer: the second bit of the first byte is set.</summary>
    public bool IsLocallyAdministered => (_value >> 40 & 2) != 0;

    /// <summary>Whether it is 00:00:00:00:00:00.</summary>
    public bool IsZero => _value == 0;

    /// <summary>Reads an address from its six bytes in wire order.</summary>
    /// <exception cref="ArgumentException">Not exactly six bytes.</exception>
    public static MacAddress FromBytes(ReadOnlySpan<byte> bytes) =>
        bytes.Length == Length
            ? new((ulong)BinaryPrimitives.ReadUInt16BigEndian(bytes) << 32 | BinaryPrimitives.ReadUInt32BigEndian(bytes[2..]))
            : throw new ArgumentException($"a MAC address has {Length} bytes, not {bytes.Length}", nameof(bytes));

    /// <summary>Reads the colon form, in either case: six groups of exactly two hexadecimal digits (Go's net.ParseMAC).</summary>
    /// <exception cref="FormatException">The text is not of that form.</exception>
    public static MacAddress Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is no MAC address (aa:bb:cc:dd:ee:ff)");

    /// <summary>As <see cref="Parse"/>, false instead of an exception.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out MacAddress address)
    {
        address = default;
        if (text.Length != Length * 3 - 1)
            return false;

        ulong value = 0;
        for (var i = 0; i < Length; i++)
        {
            var group = text.Slice(i * 3, 2);
            if (i > 0 && text[i * 3 - 1] != ':')
                return false;
            if (!byte.TryParse(group, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var b))
                return false;
            value = value << 8 | b;
        }

        address = new(value);
        return true;
    }

    /// <summary>Writes the six bytes in wire order.</summary>
    /// <exception cref="ArgumentException">Fewer than six bytes of room.</exception>
    public void CopyTo(Span<byte> destination)
    {
        if (destination.Length < Length)
            throw new ArgumentException($"a MAC address needs {Length} bytes of room, not {destination.Length}", nameof(destination));
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)(_value >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(destination[2..], (uint)_value);
    }

    /// <summary>The lower-case colon form: <c>6e:0b:24:f3:bc:5a</c>.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Length];
        CopyTo(bytes);
        return $"{bytes[0]:x2}:{bytes[1]:x2}:{bytes[2]:x2}:{bytes[3]:x2}:{bytes[4]:x2}:{bytes[5]:x2}";
    }
}
