using System.Buffers.Binary;
using Accelerated.Interop;

namespace Accelerated.Bpf.Tests.Packets;

/// <summary>An Ethernet header, written out by hand: the tests must not share code with what they test.</summary>
internal sealed record Ethernet(MacAddress Destination, MacAddress Source, ushort Type = Ethernet.Ipv4)
{
    public const int Length = 14;
    public const ushort Ipv4 = 0x0800;
    public const ushort Arp = 0x0806;
    public const ushort Vlan = 0x8100;
    public const ushort Ipv6 = 0x86dd;

    public byte[] Around(byte[] payload)
    {
        var frame = new byte[Length + payload.Length];
        Destination.CopyTo(frame);
        Source.CopyTo(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), Type);
        payload.CopyTo(frame, Length);
        return frame;
    }
}
