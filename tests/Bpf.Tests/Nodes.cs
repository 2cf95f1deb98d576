using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;

namespace Accelerated.Bpf.Tests;

/// <summary>The two hosts that tests/fixtures/vxlan was recorded on; the interfaces of the tests have their addresses.</summary>
internal sealed record Node(IPAddress Underlay, MacAddress UnderlayMac, MacAddress OverlayMac, IPNetwork Subnet, IPAddress Container);

internal static class Nodes
{
    public const ushort Port = 8472;
    public const uint Vni = 1;

    public static readonly Node One = new(
        IPAddress.Parse("192.0.2.1"),
        MacAddress.Parse("a2:26:80:19:03:4b"),
        MacAddress.Parse("76:19:b2:0f:7d:a4"),
        IPNetwork.Parse("10.5.60.0/24"),
        IPAddress.Parse("10.5.60.2"));

    public static readonly Node Two = new(
        IPAddress.Parse("192.0.2.2"),
        MacAddress.Parse("1a:0a:74:d5:e9:20"),
        MacAddress.Parse("6e:0b:24:f3:bc:5a"),
        IPNetwork.Parse("10.5.88.0/24"),
        IPAddress.Parse("10.5.88.2"));

    /// <summary>A third node, known to both, that no interface stands for.</summary>
    public static readonly Node Three = new(
        IPAddress.Parse("192.0.2.3"),
        MacAddress.Parse("02:00:00:00:00:03"),
        MacAddress.Parse("02:00:00:00:01:03"),
        IPNetwork.Parse("10.5.99.0/24"),
        IPAddress.Parse("10.5.99.2"));

    /// <summary>The Ethernet header of an inner frame.</summary>
    public static Ethernet Inner(Node from, Node to, ushort type = Ethernet.Ipv4) => new(to.OverlayMac, from.OverlayMac, type);

    /// <summary>The IP header of an inner packet between containers.</summary>
    public static Ipv4 InnerIp(Node from, Node to, byte protocol = Transport.Udp) => new(from.Container, to.Container, protocol);

    /// <summary>What the outer header of a packet from one to the other is, but for the fields that vary.</summary>
    public static Tunnel Outer(Node from, Node to) => new(
        new(to.UnderlayMac, from.UnderlayMac),
        new(from.Underlay, to.Underlay, Transport.Udp) { Ttl = 64, Fragment = 0 });

    /// <summary>A frame as the kernel routes it to flannel.VNI.</summary>
    public static byte[] Frame(Node from, Node to, int payload = 64) =>
        Inner(from, to).Around(InnerIp(from, to).Around(Transport.UdpDatagram(Transport.Payload(payload))));
}
