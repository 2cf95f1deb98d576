using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace Accelerated.Interop.Netlink;

/// <summary>Walks a run of attributes. Each step checks its bound; what does not fit is a <see cref="NetlinkException"/>.</summary>
internal ref struct AttributeReader(ReadOnlySpan<byte> attributes)
{
    private ReadOnlySpan<byte> _rest = attributes;

    internal bool TryRead(out NetlinkAttribute attribute)
    {
        attribute = default;
        if (_rest.IsEmpty)
            return false;

        var header = NetlinkReader.Struct<NlAttr>(_rest);
        if (header.nla_len < Nl.AttributeHeaderLength || header.nla_len > _rest.Length)
            throw NetlinkException.Malformed($"attribute of {header.nla_len} bytes where {_rest.Length} are left");

        attribute = new((ushort)(header.nla_type & Nl.NLA_TYPE_MASK), _rest[Nl.AttributeHeaderLength..header.nla_len]);
        _rest = _rest[Math.Min(Nl.Align(header.nla_len), _rest.Length)..];
        return true;
    }
}

/// <summary>One attribute. The typed reads demand exactly the size of their type.</summary>
internal readonly ref struct NetlinkAttribute(ushort type, ReadOnlySpan<byte> value)
{
    internal ushort Type { get; } = type;

    internal ReadOnlySpan<byte> Value { get; } = value;

    internal byte U8() => Exactly(1)[0];

    internal bool Bool() => U8() != 0;

    internal ushort U16() => MemoryMarshal.Read<ushort>(Exactly(2));

    internal ushort U16BigEndian() => BinaryPrimitives.ReadUInt16BigEndian(Exactly(2));

    internal uint U32() => MemoryMarshal.Read<uint>(Exactly(4));

    internal uint U32BigEndian() => BinaryPrimitives.ReadUInt32BigEndian(Exactly(4));

    internal int S32() => MemoryMarshal.Read<int>(Exactly(4));

    /// <summary>UTF-8 up to the first zero byte; invalid bytes become U+FFFD, as interface names may hold any byte.</summary>
    internal string Text()
    {
        var end = Value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? Value : Value[..end]);
    }

    /// <summary>An address of either family, told apart by its length.</summary>
    internal IPAddress Address() =>
        Value.Length is 4 or 16 ? new(Value) : throw NetlinkException.Malformed($"attribute {Type} is an address of {Value.Length} bytes");

    /// <summary>A 48-bit hardware address; null for links whose addresses have another length (tunnels, InfiniBand) or none.</summary>
    internal MacAddress? Mac() => Value.Length == MacAddress.Length ? MacAddress.FromBytes(Value) : null;

    internal AttributeReader Nested() => new(Value);

    private ReadOnlySpan<byte> Exactly(int length) =>
        Value.Length == length ? Value : throw NetlinkException.Malformed($"attribute {Type} has {Value.Length} bytes, not {length}");
}
