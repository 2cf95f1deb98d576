using System.Buffers.Binary;

namespace Accelerated.Bpf.Tests.Packets;

/// <summary>What stands above IP. Checksums are made up where nothing looks at them: a lane must carry wrong ones through as they are.</summary>
internal static class Transport
{
    public const byte Icmp = 1;
    public const byte Tcp = 6;
    public const byte Udp = 17;

    /// <summary>Bytes that are not all alike.</summary>
    public static byte[] Payload(int length)
    {
        var payload = new byte[length];
        for (var i = 0; i < length; i++)
            payload[i] = (byte)(i * 7 + 3);
        return payload;
    }

    public static byte[] TcpSegment(int payload, ushort source = 40000, ushort destination = 80, int options = 12, byte flags = 0x18)
    {
        var segment = new byte[20 + options + payload];
        BinaryPrimitives.WriteUInt16BigEndian(segment, source);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), destination);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(4), 0x01020304);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(8), 0x05060708);
        segment[12] = (byte)((20 + options) / 4 << 4);
        segment[13] = flags; // PSH, ACK if nothing else is said.
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(16), 0xbeef);
        segment.AsSpan(20, options).Fill(1); // NOP
        Payload(payload).CopyTo(segment, 20 + options);
        return segment;
    }

    public static byte[] UdpDatagram(byte[] payload, ushort source = 40000, ushort destination = 53, ushort checksum = 0xbeef, int? length = null)
    {
        var datagram = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, source);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(2), destination);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)(length ?? datagram.Length));
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(6), checksum);
        payload.CopyTo(datagram, 8);
        return datagram;
    }

    public static byte[] IcmpEcho(int payload) => [8, 0, 0xbe, 0xef, 0, 1, 0, 2, .. Payload(payload)];
}
