using System.Buffers.Binary;
using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Lane 2 out: the packets of an accepted flow that it takes, byte for byte, and those it leaves as they came.</summary>
public sealed class ShortcutOutTests : IDisposable
{
    private static readonly Ipv4 Tcp = ShortcutRig.IpOut(Transport.Tcp);
    private static readonly Ipv4 Udp = ShortcutRig.IpOut(Transport.Udp);
    private static readonly Connection TcpFlow = ShortcutRig.Flow(Transport.Tcp, begunHere: true);
    private static readonly Connection UdpFlow = ShortcutRig.Flow(Transport.Udp, begunHere: true);

    private readonly UnderlayNamespace _underlay;
    private readonly ShortcutRig _rig;

    public ShortcutOutTests(UnderlayNamespace underlay)
    {
        _underlay = underlay;
        _rig = new(underlay);
        _rig.Table.Add(TcpFlow);
        _rig.Table.Add(UdpFlow);
    }

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Packet_OfAnAcceptedFlow_IsRoutedAndEncapsulated()
    {
        _rig.ExpectTakenOut(Tcp, TcpFlow.Original());
        _rig.ExpectTakenOut(Udp, UdpFlow.Original());
        _rig.ExpectTakenOut(Udp, UdpFlow.Original([]));
        _rig.ExpectTakenOut(Tcp, Transport.TcpSegment(0, 40000, 5000, options: 0));
        _rig.ExpectTakenOut(Tcp, Transport.TcpSegment(100, 40000, 5000, options: 40));
        _rig.ExpectCounters("2 out taken=5");
        _rig.ExpectTraffic(
            Nodes.Two, packetsOut: 5, bytesOut: (5 * (Ethernet.Length + Ipv4.Length)) + 32 + 40 + 8 + 40 + 8 + 20 + 160);
    }

    [Fact]
    public void TypeOfService_OfEveryValue_StaysInsideAndShowsItsEcnOutside()
    {
        for (var tos = 0; tos < 256; tos++)
            _rig.ExpectTakenOut(Udp with { Tos = (byte)tos }, UdpFlow.Original(), outerTos: (byte)((tos & 3) == 3 ? 2 : tos & 3));
        _rig.ExpectCounters("2 out taken=256");
    }

    [Fact]
    public void Ttl_OfEveryValue_IsTakenDownByOneHopOrLeftToTheKernel()
    {
        for (var ttl = 0; ttl < 256; ttl++)
        {
            var ip = Udp with { Ttl = (byte)ttl };
            if (ttl <= 1)
                _rig.ExpectPassedOut(ip, UdpFlow.Original());
            else
                _rig.ExpectTakenOut(ip, UdpFlow.Original());
        }

        _rig.ExpectCounters("2 out taken=254", "2 out passed_ttl=2");
    }

    [Theory]
    [InlineData(0xfefe)]
    [InlineData(0xfeff)] // RFC 1141 and RFC 1624 differ here: the sum becomes all ones.
    [InlineData(0xff00)]
    [InlineData(0xfffe)]
    [InlineData(0x0000)]
    [InlineData(0x0001)]
    public void Checksum_AtTheEdgesOfItsRange_StaysRight(int checksum)
    {
        var ip = Enumerable.Range(0, 65536).Select(id => Udp with { Id = (ushort)id })
            .First(ip => BinaryPrimitives.ReadUInt16BigEndian(ip.Around(UdpFlow.Original()).AsSpan(10)) == checksum);
        _rig.ExpectTakenOut(ip, UdpFlow.Original());
    }

    [Theory]
    [InlineData(0x0000, true)]
    [InlineData(Ipv4.DontFragment, true)]
    [InlineData(0x8000, true)] // The reserved bit.
    [InlineData(Ipv4.MoreFragments, false)]
    [InlineData(Ipv4.MoreFragments | 185, false)]
    [InlineData(370, false)]
    [InlineData(1, false)]
    public void Fragment_OfAnyPosition_IsPassedOn(int fragment, bool whole)
    {
        foreach (var (ip, segment) in ((Ipv4, byte[])[])[(Tcp, TcpFlow.Original()), (Udp, UdpFlow.Original())])
        {
            var one = ip with { Fragment = (ushort)fragment };
            if (whole)
                _rig.ExpectTakenOut(one, segment);
            else
                _rig.ExpectPassedOut(one, segment);
        }

        _rig.ExpectCounters(whole ? "2 out taken=2" : "2 out passed_fragment=2");
    }

    [Theory]
    [InlineData(Transport.Icmp)]
    [InlineData(2)]
    [InlineData(132)] // SCTP: conntrack knows it, bpf_skb_ct_lookup does not (Linux 6.18).
    [InlineData(136)] // UDP-Lite.
    public void Protocol_OtherThanTcpAndUdp_IsPassedOn(byte protocol)
    {
        _rig.ExpectPassedOut(Udp with { Protocol = protocol }, protocol == Transport.Icmp ? Transport.IcmpEcho(56) : UdpFlow.Original());
        _rig.ExpectCounters("2 out passed_not_tcp_udp=1");
    }

    [Theory]
    [InlineData(Ethernet.Ipv6)]
    [InlineData(Ethernet.Arp)]
    [InlineData(Ethernet.Vlan)]
    [InlineData(0)]
    public void Frame_OtherThanIpv4_IsPassedOn(ushort type)
    {
        _rig.ExpectPassedOut((ShortcutRig.FromContainer with { Type = type }).Around(Udp.Around(UdpFlow.Original())));
        _rig.ExpectCounters("2 out passed_not_ipv4=1");
    }

    [Fact]
    public void Options_OfEveryLength_ArePassedOn()
    {
        for (var length = 4; length <= 40; length += 4)
            _rig.ExpectPassedOut(Udp with { Options = [.. Enumerable.Repeat((byte)1, length)] }, UdpFlow.Original());
        _rig.ExpectCounters("2 out passed_ip_options=10");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(15)]
    public void Version_OtherThanFour_IsPassedOn(byte version)
    {
        _rig.ExpectPassedOut(Udp with { Version = version }, UdpFlow.Original());
        _rig.ExpectCounters("2 out passed_truncated=1");
    }

    [Fact]
    public void Packet_CutAnywhere_IsPassedOnUntouched()
    {
        var count = 0;
        foreach (var frame in (byte[][])[ShortcutRig.Sent(Tcp, TcpFlow.Original()), ShortcutRig.Sent(Udp, UdpFlow.Original())])
        {
            for (var length = OverlayRig.ShortestFrame; length < frame.Length; length++, count++)
                _rig.ExpectPassedOut(frame[..length]);
        }

        _rig.ExpectCounters($"2 out passed_truncated={count}");
        _rig.ExpectTraffic(null);
    }

    [Fact]
    public void TransportHeader_CutAnywhere_IsPassedOnUntouched()
    {
        // The IP header says that there is no more.
        for (var length = 0; length < 20; length++)
            _rig.ExpectPassedOut(Tcp, TcpFlow.Original()[..length]);
        for (var length = 0; length < 8; length++)
            _rig.ExpectPassedOut(Udp, UdpFlow.Original()[..length]);
        _rig.ExpectCounters("2 out passed_truncated=28");
    }

    [Fact]
    public void Padding_BehindThePacket_StaysBehindTheOuterPacket()
    {
        var run = _rig.Out([.. ShortcutRig.Sent(Udp, UdpFlow.Original()), .. new byte[17]]);
        Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
        var routed = Nodes.Inner(Nodes.One, Nodes.Two).Around((Udp with { Ttl = 63 }).Around(UdpFlow.Original()));
        Assert.Equal([.. Nodes.Outer(Nodes.One, Nodes.Two).VaryingAs(run.Packet).Around(routed), .. new byte[17]], run.Packet);
    }

    [Fact]
    public void Interface_OtherThanTheContainers_IsPassedOn()
    {
        var frame = ShortcutRig.Sent(Udp, UdpFlow.Original());
        OverlayRig.ExpectPassed(frame, _rig.OutElsewhere(frame));
        _rig.ExpectCounters("2 out passed_foreign_source=1");
    }

    [Fact]
    public void HardwareAddress_OtherThanTheContainers_IsPassedOn()
    {
        foreach (var mac in (MacAddress[])[MacAddress.Parse("02:00:0a:05:3c:03"), ShortcutRig.GatewayMac])
            _rig.ExpectPassedOut((ShortcutRig.FromContainer with { Source = mac }).Around(Udp.Around(UdpFlow.Original())));
        _rig.ExpectCounters("2 out passed_foreign_source=2");
    }

    [Fact]
    public void Source_ThatIsNoEndpointsOrAnothers_IsPassedOn()
    {
        foreach (var source in (string[])["10.5.60.3", "10.5.88.2", "192.0.2.1"])
        {
            var ip = Udp with { Source = IPAddress.Parse(source) };
            _rig.Table.Add(UdpFlow with { Client = new(ip.Source, UdpFlow.Client.Port) });
            _rig.ExpectPassedOut(ip, UdpFlow.Original());
        }

        _rig.RemoveEndpoint();
        _rig.ExpectPassedOut(Udp, UdpFlow.Original());
        _rig.ExpectCounters("2 out passed_foreign_source=4");
    }

    [Theory]
    [InlineData("02:00:0a:05:3c:03")] // Another container's.
    [InlineData("ff:ff:ff:ff:ff:ff")]
    [InlineData("01:00:5e:00:00:01")]
    public void Frame_NotAddressedToTheGateway_IsPassedOn(string destination)
    {
        var ethernet = ShortcutRig.FromContainer with { Destination = MacAddress.Parse(destination) };
        _rig.ExpectPassedOut(ethernet.Around(Udp.Around(UdpFlow.Original())));
        _rig.ExpectCounters("2 out passed_not_routed=1");
    }

    [Theory]
    [InlineData("10.5.1.2")]
    [InlineData("192.0.2.2")]
    [InlineData("224.0.0.1")]
    public void Destination_InNoSubnet_IsPassedOn(string destination)
    {
        _rig.ExpectPassedOut(Udp with { Destination = IPAddress.Parse(destination) }, UdpFlow.Original());
        _rig.ExpectCounters("2 out passed_no_subnet=1");
    }

    [Theory]
    [InlineData(OverlayTransport.None)]
    [InlineData(OverlayTransport.Local)]
    [InlineData(OverlayTransport.Direct)]
    public void Subnet_NotReachedByVxlan_IsPassedOn(OverlayTransport transport)
    {
        _rig.SetSubnet(Nodes.Two, transport);
        _rig.ExpectPassedOut(Udp, UdpFlow.Original());
        _rig.ExpectCounters("2 out passed_other_transport=1");
    }

    [Fact]
    public void Neighbour_Unknown_IsPassedOnForTheKernelToResolve()
    {
        _rig.Table.Add(UdpFlow with { Server = new(Nodes.Three.Container, UdpFlow.Server.Port) });
        _rig.ExpectPassedOut(Udp with { Destination = Nodes.Three.Container }, UdpFlow.Original());
        _rig.ExpectCounters("2 out passed_no_next_hop=1");
    }

    [Fact]
    public void Size_BeyondTheDevice_IsPassedOnForTheKernelToAnswer()
    {
        // The underlay would take more.
        _rig.SetTerms(t => t with { Mtu = 1000 });
        _rig.ExpectTakenOut(Udp, UdpFlow.Original(Transport.Payload(1000 - 28)));
        _rig.ExpectPassedOut(Udp, UdpFlow.Original(Transport.Payload(1001 - 28)));
        _rig.ExpectCounters("2 out taken=1", "2 out passed_too_big=1");
    }

    [Fact]
    public void Size_BeyondTheRouteToTheNode_IsPassedOnForTheKernelToAnswer()
    {
        _underlay.Ip($"route add {Nodes.Two.Underlay}/32 dev eth0 mtu lock 1400");
        try
        {
            _rig.ExpectTakenOut(Udp, UdpFlow.Original(Transport.Payload(1350 - 28)));
            _rig.ExpectPassedOut(Udp, UdpFlow.Original(Transport.Payload(1351 - 28)));
            _rig.ExpectCounters("2 out taken=1", "2 out passed_too_big=1");
        }
        finally
        {
            _underlay.Ip($"route delete {Nodes.Two.Underlay}/32 dev eth0");
        }
    }

    [Theory]
    [InlineData(1398, "passed_helper_failed")] // 1398 + 32 + 20 = 1450: fits. The kernel then refuses GSO of no known kind.
    [InlineData(1399, "passed_too_big")]
    public void Segments_OfGso_AreMeasuredOneByOne(int gsoSize, string counter)
    {
        var frame = ShortcutRig.Sent(Tcp, TcpFlow.Original(Transport.Payload(2800)));
        OverlayRig.ExpectPassed(frame, _rig.Out(frame, gsoSize));
        _rig.ExpectCounters($"2 out {counter}=1");
    }

    [Fact]
    public void Programs_BeforeTheFirstConfiguration_DoNothing()
    {
        _rig.Configure(_ => default);
        _rig.ExpectPassedOut(Udp, UdpFlow.Original());
        _rig.ExpectCounters();
    }
}
