using System.Buffers.Binary;

namespace Accelerated.Bpf.Tests.Packets;

/// <summary>A VXLAN packet from outside to inside.</summary>
internal sealed record Tunnel(Ethernet Ethernet, Ipv4 Ip)
{
    public const int Overhead = 50;

    public ushort SourcePort { get; init; } = 45678;

    public ushort Port { get; init; } = Nodes.Port;

    public ushort UdpChecksum { get; init; }

    public int? UdpLength { get; init; }

    public uint Flags { get; init; } = 0x08000000;

    /// <summary>The VNI in the upper 24 bits.</summary>
    public uint VniWord { get; init; } = Nodes.Vni << 8;

    /// <summary>The source port that a packet has.</summary>
    public static ushort SourcePortOf(byte[] packet) => BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(34));

    /// <summary>With the two fields that are not determined by the inner frame taken from a packet; the IP checksum then follows.</summary>
    public Tunnel VaryingAs(byte[] packet) => this with
    {
        Ip = Ip with { Id = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(18)) },
        SourcePort = SourcePortOf(packet),
    };

    public byte[] Around(byte[] frame)
    {
        var vxlan = new byte[8 + frame.Length];
        BinaryPrimitives.WriteUInt32BigEndian(vxlan, Flags);
        BinaryPrimitives.WriteUInt32BigEndian(vxlan.AsSpan(4), VniWord);
        frame.CopyTo(vxlan, 8);
        return Ethernet.Around(Ip.Around(Transport.UdpDatagram(vxlan, SourcePort, Port, UdpChecksum, UdpLength)));
    }
}
