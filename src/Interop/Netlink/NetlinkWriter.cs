using System.Buffers.Binary;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Accelerated.Interop.Netlink;

/// <summary>Builds netlink messages and attributes in one growing buffer; knows framing, not meaning.</summary>
/// <remarks>Every append ends on a 4-byte boundary, with zeroes as padding. Integers are in the machine's order unless the name says otherwise.</remarks>
internal sealed class NetlinkWriter(int capacity = 256)
{
    private byte[] _buffer = new byte[capacity];

    /// <summary>Bytes written.</summary>
    internal int Length { get; private set; }

    internal ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);

    internal void Clear() => Length = 0;

    /// <summary>Appends a whole message: header and payload.</summary>
    internal void Message(ushort type, ushort flags, uint sequence, ReadOnlySpan<byte> payload)
    {
        Struct(new NlMsgHdr
        {
            nlmsg_len = (uint)(Nl.HeaderLength + payload.Length),
            nlmsg_type = type,
            nlmsg_flags = flags,
            nlmsg_seq = sequence,
        });
        payload.CopyTo(Append(payload.Length));
    }

    /// <summary>Appends a family header, byte for byte as it lies in memory.</summary>
    internal NetlinkWriter Struct<T>(in T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(Append(Unsafe.SizeOf<T>()), value);
        return this;
    }

    internal NetlinkWriter Bytes(ushort type, ReadOnlySpan<byte> value)
    {
        value.CopyTo(Attribute(type, value.Length));
        return this;
    }

    internal NetlinkWriter U8(ushort type, byte value)
    {
        Attribute(type, 1)[0] = value;
        return this;
    }

    internal NetlinkWriter Bool(ushort type, bool value) => U8(type, value ? (byte)1 : (byte)0);

    internal NetlinkWriter U16(ushort type, ushort value)
    {
        MemoryMarshal.Write(Attribute(type, 2), value);
        return this;
    }

    internal NetlinkWriter U16BigEndian(ushort type, ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(Attribute(type, 2), value);
        return this;
    }

    internal NetlinkWriter U32(ushort type, uint value)
    {
        MemoryMarshal.Write(Attribute(type, 4), value);
        return this;
    }

    internal NetlinkWriter U32BigEndian(ushort type, uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(Attribute(type, 4), value);
        return this;
    }

    /// <summary>Appends an attribute whose presence is its value, if <paramref name="present"/>.</summary>
    internal NetlinkWriter Flag(ushort type, bool present)
    {
        if (present)
            Attribute(type, 0);
        return this;
    }

    /// <summary>Appends UTF-8 text with the terminating zero the kernel expects (NLA_NUL_STRING).</summary>
    internal NetlinkWriter Text(ushort type, string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        Encoding.UTF8.GetBytes(value, Attribute(type, length + 1));
        return this;
    }

    /// <summary>Appends an address of either family, 4 or 16 bytes.</summary>
    internal NetlinkWriter Address(ushort type, IPAddress value) => Bytes(type, value.GetAddressBytes());

    internal NetlinkWriter Mac(ushort type, MacAddress value)
    {
        value.CopyTo(Attribute(type, MacAddress.Length));
        return this;
    }

    /// <summary>Appends an attribute that holds the attributes <paramref name="content"/> writes.</summary>
    internal NetlinkWriter Nested(ushort type, Action<NetlinkWriter> content)
    {
        var start = Length;
        Attribute((ushort)(type | Nl.NLA_F_NESTED), 0);
        content(this);
        MemoryMarshal.Write(_buffer.AsSpan(start), CheckedLength(Length - start));
        return this;
    }

    private Span<byte> Attribute(ushort type, int length)
    {
        Struct(new NlAttr { nla_len = CheckedLength(Nl.AttributeHeaderLength + length), nla_type = type });
        return Append(length);
    }

    private static ushort CheckedLength(int length) =>
        length <= ushort.MaxValue ? (ushort)length : throw new ArgumentException($"a netlink attribute holds 65535 bytes, not {length}");

    private Span<byte> Append(int length)
    {
        var start = Length;
        var end = start + Nl.Align(length);
        if (end > _buffer.Length)
            Array.Resize(ref _buffer, Math.Max(end, _buffer.Length * 2));
        _buffer.AsSpan(start, end - start).Clear(); // The buffer is used again; padding must not leak what was there.
        Length = end;
        return _buffer.AsSpan(start, length);
    }
}
