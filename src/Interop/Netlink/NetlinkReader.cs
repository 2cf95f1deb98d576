using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Netlink;

/// <summary>One netlink message inside a received datagram.</summary>
internal readonly ref struct NetlinkMessage(NlMsgHdr header, ReadOnlySpan<byte> payload)
{
    internal NlMsgHdr Header { get; } = header;

    internal ReadOnlySpan<byte> Payload { get; } = payload;

    internal ushort Type => Header.nlmsg_type;

    internal bool Has(ushort flag) => (Header.nlmsg_flags & flag) != 0;

    /// <summary>The error an NLMSG_ERROR or NLMSG_DONE carries: a positive errno (0 is success), and the kernel's words.</summary>
    internal (int Errno, string? ExtendedAck) ReadError()
    {
        var negative = NetlinkReader.Struct<int>(Payload);
        if (negative > 0 || negative == int.MinValue)
            throw NetlinkException.Malformed($"error code {negative}");

        // NLMSG_DONE: error, attributes. NLMSG_ERROR: error, the request's header (and its payload, unless capped), attributes.
        string? text = null;
        if (Has(Nl.NLM_F_ACK_TLVS))
        {
            var offset = sizeof(int);
            if (Type == Nl.NLMSG_ERROR)
            {
                var request = NetlinkReader.Struct<NlMsgHdr>(Payload[offset..]);
                var echoed = Has(Nl.NLM_F_CAPPED) ? Nl.HeaderLength : request.nlmsg_len;
                if (echoed < Nl.HeaderLength || echoed > Payload.Length - offset)
                    throw NetlinkException.Malformed($"error echoes {echoed} bytes of {Payload.Length - offset}");
                offset = Math.Min(Payload.Length, offset + Nl.Align((int)echoed));
            }

            var attributes = new AttributeReader(Payload[offset..]);
            while (attributes.TryRead(out var attribute))
            {
                if (attribute.Type == Nl.NLMSGERR_ATTR_MSG)
                    text = attribute.Text();
            }
        }

        return (-negative, text);
    }
}

/// <summary>Walks the messages of one datagram. Each step checks its bound; what does not fit is a <see cref="NetlinkException"/>.</summary>
internal ref struct NetlinkReader(ReadOnlySpan<byte> datagram)
{
    private ReadOnlySpan<byte> _rest = datagram;

    internal bool TryRead(out NetlinkMessage message)
    {
        message = default;
        if (_rest.IsEmpty)
            return false;

        var header = Struct<NlMsgHdr>(_rest);
        if (header.nlmsg_len < Nl.HeaderLength || header.nlmsg_len > _rest.Length)
            throw NetlinkException.Malformed($"message of {header.nlmsg_len} bytes where {_rest.Length} are left");

        var length = (int)header.nlmsg_len;
        message = new(header, _rest[Nl.HeaderLength..length]);
        _rest = _rest[Math.Min(Nl.Align(length), _rest.Length)..];
        return true;
    }

    /// <summary>Reads a blittable structure from the start of some bytes.</summary>
    internal static T Struct<T>(ReadOnlySpan<byte> bytes)
        where T : unmanaged =>
        MemoryMarshal.TryRead<T>(bytes, out var value)
            ? value
            : throw NetlinkException.Malformed($"{typeof(T).Name} needs {Unsafe.SizeOf<T>()} bytes, {bytes.Length} are left");

    /// <summary>Reads a family header and gives the attributes that follow it.</summary>
    internal static T Struct<T>(ReadOnlySpan<byte> bytes, out AttributeReader attributes)
        where T : unmanaged
    {
        var value = Struct<T>(bytes);
        attributes = new(bytes[Math.Min(Nl.Align(Unsafe.SizeOf<T>()), bytes.Length)..]);
        return value;
    }
}
