using System.Buffers.Binary;
using System.Net;

namespace Accelerated.Bpf.Tests.Packets;

/// <summary>An IPv4 header and what it takes to write one that lies.</summary>
internal sealed record Ipv4(IPAddress Source, IPAddress Destination, byte Protocol)
{
    public const int Length = 20;
    public const ushort DontFragment = 0x4000;
    public const ushort MoreFragments = 0x2000;

    public byte Tos { get; init; }

    public byte Ttl { get; init; } = 63;

    public ushort Id { get; init; } = 0x1234;

    /// <summary>Flags and offset as they are on the wire.</summary>
    public ushort Fragment { get; init; } = DontFragment;

    /// <summary>A multiple of four bytes.</summary>
    public byte[] Options { get; init; } = [];

    public byte Version { get; init; } = 4;

    /// <summary>What the header says; null for the truth.</summary>
    public int? TotalLength { get; init; }

    public byte[] Around(byte[] payload)
    {
        var length = Length + Options.Length;
        var packet = new byte[length + payload.Length];
        packet[0] = (byte)(Version << 4 | length / 4);
        packet[1] = Tos;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)(TotalLength ?? packet.Length));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), Id);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), Fragment);
        packet[8] = Ttl;
        packet[9] = Protocol;
        Source.TryWriteBytes(packet.AsSpan(12), out _);
        Destination.TryWriteBytes(packet.AsSpan(16), out _);
        Options.CopyTo(packet, Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Checksum(packet.AsSpan(0, length)));
        payload.CopyTo(packet, length);
        return packet;
    }

    /// <summary>RFC 1071, over a header whose checksum field is zero.</summary>
    private static ushort Checksum(ReadOnlySpan<byte> header)
    {
        uint sum = 0;
        for (var i = 0; i < header.Length; i += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(header[i..]);
        while (sum > 0xffff)
            sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }
}
