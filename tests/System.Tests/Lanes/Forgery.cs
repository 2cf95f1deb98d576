using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>
/// VXLAN with VNI 1 made by hand, as any process with a UDP socket can: a datagram to UDP port 9999 of a container, in an Ethernet frame
/// to the VTEP of its host, in a datagram to UDP port 8472 of that host.
/// </summary>
/// <param name="From">Where it is sent from.</param>
/// <param name="Host">The host whose VTEP it goes to.</param>
/// <param name="VtepMac">MAC address of that VTEP.</param>
/// <param name="InnerSource">Who the inner packet says it is from.</param>
/// <param name="Target">The container.</param>
internal sealed record Forgery(LabHost From, IPAddress Host, MacAddress VtepMac, IPAddress InnerSource, IPAddress Target)
{
    private const int Port = 8472;
    private const int InnerPort = 9999;
    private const byte Udp = 17;
    private const int MoreFragments = 0x2000;
    private static readonly byte[] Vxlan = [8, 0, 0, 0, 0, 0, 1, 0];

    /// <summary>Source address of the outer packets; null leaves it to the kernel.</summary>
    public IPAddress? OuterSource { get; init; }

    /// <summary>Bytes in the inner datagram.</summary>
    public int Payload { get; init; } = 100;

    /// <summary>What tcpdump shows of it in the container.</summary>
    public string Filter => $"udp dst port {InnerPort} and src host {InnerSource}";

    /// <summary>Sends it some times; the kernel makes fragments of what is longer than the link takes.</summary>
    public void Send(int count) => NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{From.Namespace}", () =>
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { DontFragment = false };
        socket.Bind(new IPEndPoint(OuterSource ?? IPAddress.Any, 0));
        for (var i = 0; i < count; i++)
            socket.SendTo(Outer(), new IPEndPoint(Host, Port));
    });

    /// <summary>Sends it some times, each in a fragment with the UDP header and nothing more, and one with the rest. Needs root.</summary>
    public void SendHidden(int count) => NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{From.Namespace}", () =>
    {
        const int udpHeader = 8;
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Raw);
        socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.HeaderIncluded, true);
        for (var i = 0; i < count; i++)
        {
            var datagram = Datagram(Port, Outer());
            // Source 0 is filled in by the kernel (raw(7)), the identification must be ours.
            var id = (ushort)(0x4000 + i);
            socket.SendTo(Ip(IPAddress.Any, Host, id, MoreFragments, datagram.AsSpan(0, udpHeader)), new IPEndPoint(Host, 0));
            socket.SendTo(Ip(IPAddress.Any, Host, id, udpHeader / 8, datagram.AsSpan(udpHeader)), new IPEndPoint(Host, 0));
        }
    });

    private byte[] Outer()
    {
        var destination = new byte[MacAddress.Length];
        VtepMac.CopyTo(destination);
        return [.. Vxlan, .. destination, 2, 0, 0, 0, 0, 0x66, 8, 0, .. Ip(InnerSource, Target, 1, 0, Datagram(InnerPort, new byte[Payload]))];
    }

    private static byte[] Datagram(ushort port, ReadOnlySpan<byte> payload)
    {
        // Source port 9; no checksum (RFC 768).
        var datagram = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, 9);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(2), port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)datagram.Length);
        payload.CopyTo(datagram.AsSpan(8));
        return datagram;
    }

    private static byte[] Ip(IPAddress source, IPAddress target, ushort id, int fragment, ReadOnlySpan<byte> payload)
    {
        const int header = 20;
        var packet = new byte[header + payload.Length];
        (packet[0], packet[8], packet[9]) = (0x45, 64, Udp);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), id);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)fragment);
        source.TryWriteBytes(packet.AsSpan(12), out _);
        target.TryWriteBytes(packet.AsSpan(16), out _);
        // RFC 1071.
        var sum = 0;
        for (var at = 0; at < header; at += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(at));
        sum = (sum & 0xffff) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~(sum + (sum >> 16)));
        payload.CopyTo(packet.AsSpan(header));
        return packet;
    }
}
