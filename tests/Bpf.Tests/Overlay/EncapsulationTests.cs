using System.Buffers.Binary;
using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Lane 1 out: every byte of what leaves, every byte of what does not, and every counter.</summary>
public sealed class EncapsulationTests(UnderlayNamespace underlay) : IDisposable
{
    private static readonly Ethernet InnerEthernet = Nodes.Inner(Nodes.One, Nodes.Two);
    private static readonly Ipv4 InnerIp = Nodes.InnerIp(Nodes.One, Nodes.Two);

    private readonly OverlayRig _rig = new(underlay);

    public static TheoryData<string, byte, byte[]> Protocols => new()
    {
        { "TCP", Transport.Tcp, Transport.TcpSegment(100) },
        { "TCP without options", Transport.Tcp, Transport.TcpSegment(0, options: 0) },
        { "UDP", Transport.Udp, Transport.UdpDatagram(Transport.Payload(100)) },
        { "empty UDP", Transport.Udp, Transport.UdpDatagram([]) },
        { "ICMP", Transport.Icmp, Transport.IcmpEcho(56) },
        { "ICMP of full size", Transport.Icmp, Transport.IcmpEcho(1450 - 20 - 8) },
        { "SCTP", 132, Transport.Payload(40) },
        { "no payload", 59, [] },
    };

    public void Dispose() => _rig.Dispose();

    [Theory]
    [MemberData(nameof(Protocols))]
    public void Packet_ToPeer_IsEncapsulatedAsTheDriverDoes(string name, byte protocol, byte[] payload)
    {
        _ = name;
        ExpectTaken(InnerEthernet.Around((InnerIp with { Protocol = protocol }).Around(payload)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(64)]
    [InlineData(255)]
    public void Ttl_OfWhatWasRouted_StaysAndIsNotCopiedOutside(byte ttl) =>
        ExpectTaken(InnerEthernet.Around((InnerIp with { Ttl = ttl }).Around(Transport.UdpDatagram([1, 2, 3]))));

    [Fact]
    public void TypeOfService_OfEveryValue_StaysInsideAndShowsItsEcnOutside()
    {
        for (var tos = 0; tos < 256; tos++)
        {
            // RFC 6040, 4.1: the outer field is the inner one, congestion shown as capable; DSCP is the tunnel's own.
            var outer = (tos & 3) == 3 ? 2 : tos & 3;
            var frame = InnerEthernet.Around((InnerIp with { Tos = (byte)tos }).Around(Transport.UdpDatagram([1])));
            ExpectEncapsulated(frame, (byte)outer);
        }

        _rig.ExpectCounters("out taken=256");
    }

    [Theory]
    [InlineData(Ipv4.MoreFragments)]
    [InlineData(Ipv4.MoreFragments | 185)]
    [InlineData(370)]
    [InlineData(0x8000)] // The reserved bit.
    public void Fragment_OfAnyPosition_IsEncapsulatedWhole(int fragment) =>
        ExpectTaken(InnerEthernet.Around((InnerIp with { Fragment = (ushort)fragment }).Around(Transport.Payload(96))));

    [Fact]
    public void Packet_OfEveryLength_IsEncapsulated()
    {
        for (var payload = 0; payload <= 1450 - Ipv4.Length; payload += payload < 64 ? 1 : 37)
            ExpectEncapsulated(InnerEthernet.Around(InnerIp.Around(Transport.Payload(payload))), 0);
    }

    [Fact]
    public void Padding_BehindThePacket_StaysBehindTheOuterPacket()
    {
        var frame = InnerEthernet.Around(InnerIp.Around(Transport.UdpDatagram([1])));
        var run = _rig.Out([.. frame, .. new byte[17]]);
        Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
        Assert.Equal([.. Expected(frame, run.Packet), .. new byte[17]], run.Packet);
        _rig.ExpectTraffic(Nodes.Two, packetsOut: 1, bytesOut: frame.Length);
    }

    [Fact]
    public void Packet_CutAnywhere_IsPassedOnUntouched()
    {
        var frame = InnerEthernet.Around((InnerIp with { Protocol = Transport.Tcp }).Around(Transport.TcpSegment(10)));
        for (var length = OverlayRig.ShortestFrame; length < frame.Length; length++)
        {
            var cut = frame[..length];
            OverlayRig.ExpectPassed(cut, _rig.Out(cut));
        }

        _rig.ExpectCounters($"out passed_truncated={frame.Length - OverlayRig.ShortestFrame}");
        _rig.ExpectTraffic(null);
    }

    [Fact]
    public void Lengths_ThatCannotBe_ArePassedOn()
    {
        foreach (var length in (int[])[0, 1, 19, 29, 0xffff])
        {
            var frame = InnerEthernet.Around((InnerIp with { TotalLength = length }).Around(Transport.Payload(8)));
            OverlayRig.ExpectPassed(frame, _rig.Out(frame));
        }

        _rig.ExpectCounters("out passed_truncated=5");
    }

    [Fact]
    public void Options_InTheHeader_ArePassedOn()
    {
        foreach (var options in (byte[][])[[1, 1, 1, 0], [.. Enumerable.Repeat((byte)1, 40)]])
        {
            var frame = InnerEthernet.Around((InnerIp with { Options = options }).Around(Transport.UdpDatagram([1, 2])));
            OverlayRig.ExpectPassed(frame, _rig.Out(frame));
        }

        _rig.ExpectCounters("out passed_ip_options=2");
    }

    [Theory]
    [InlineData(Ethernet.Ipv6)]
    [InlineData(Ethernet.Arp)]
    [InlineData(Ethernet.Vlan)]
    [InlineData(0)]
    public void Protocol_OtherThanIpv4_IsPassedOn(ushort type) =>
        ExpectPassed((InnerEthernet with { Type = type }).Around(InnerIp.Around(Transport.UdpDatagram(Transport.Payload(40)))), "passed_not_ipv4");

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(15)]
    public void Version_OtherThanFour_IsPassedOn(byte version) =>
        ExpectPassed(InnerEthernet.Around((InnerIp with { Version = version }).Around(Transport.UdpDatagram([1]))), "passed_truncated");

    [Theory]
    [InlineData("10.5.1.2")]
    [InlineData("10.5.89.0")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    public void Destination_InNoSubnet_IsPassedOn(string destination) =>
        ExpectPassed(
            InnerEthernet.Around((InnerIp with { Destination = IPAddress.Parse(destination) }).Around(Transport.UdpDatagram([1]))),
            "passed_no_subnet");

    [Theory]
    [InlineData(OverlayTransport.None)]
    [InlineData(OverlayTransport.Local)]
    [InlineData(OverlayTransport.Direct)]
    public void Subnet_NotReachedByVxlan_IsPassedOn(OverlayTransport transport)
    {
        _rig.SetSubnet(Nodes.Two, transport);
        ExpectPassed(Nodes.Frame(Nodes.One, Nodes.Two), "passed_other_transport");
    }

    [Fact]
    public void Neighbour_Unknown_IsPassedOnForTheKernelToResolve() =>
        ExpectPassed(Nodes.Frame(Nodes.One, Nodes.Three), "passed_no_next_hop");

    [Fact]
    public void Forwarding_SwitchedOffOnTheUnderlay_IsPassedOn()
    {
        // bpf_fib_lookup asks for it (BPF_FIB_LKUP_RET_FWD_DISABLED), though the host itself is the sender.
        underlay.SetForwarding("eth0", false);
        try
        {
            ExpectPassed(Nodes.Frame(Nodes.One, Nodes.Two), "passed_no_next_hop");
        }
        finally
        {
            underlay.SetForwarding("eth0", true);
        }
    }

    [Fact]
    public void Route_ThatForbids_IsPassedOn()
    {
        underlay.Ip($"route add blackhole {Nodes.Two.Underlay}/32");
        try
        {
            ExpectPassed(Nodes.Frame(Nodes.One, Nodes.Two), "passed_no_next_hop");
        }
        finally
        {
            underlay.Ip($"route delete blackhole {Nodes.Two.Underlay}/32");
        }
    }

    [Fact]
    public void Size_BeyondTheUnderlay_IsPassedOnForTheKernelToAnswer()
    {
        ExpectEncapsulated(InnerEthernet.Around(InnerIp.Around(Transport.Payload(1450 - Ipv4.Length))), 0);
        var frame = InnerEthernet.Around(InnerIp.Around(Transport.Payload(1451 - Ipv4.Length)));
        OverlayRig.ExpectPassed(frame, _rig.Out(frame));
        _rig.ExpectCounters("out taken=1", "out passed_too_big=1");
    }

    [Fact]
    public void RouteMtu_BelowTheInterface_Counts()
    {
        underlay.Ip($"route add {Nodes.Two.Underlay}/32 dev eth0 mtu lock 1400");
        try
        {
            ExpectEncapsulated(InnerEthernet.Around(InnerIp.Around(Transport.Payload(1350 - Ipv4.Length))), 0);
            var frame = InnerEthernet.Around(InnerIp.Around(Transport.Payload(1351 - Ipv4.Length)));
            OverlayRig.ExpectPassed(frame, _rig.Out(frame));
            _rig.ExpectCounters("out taken=1", "out passed_too_big=1");
        }
        finally
        {
            underlay.Ip($"route delete {Nodes.Two.Underlay}/32 dev eth0");
        }
    }

    [Theory]
    [InlineData(1398, "passed_helper_failed")] // 1398 + 32 + 20 + 50 = 1500: fits. The kernel then refuses GSO of no known kind.
    [InlineData(1399, "passed_too_big")]
    public void Segments_OfGso_AreMeasuredOneByOne(int gsoSize, string counter)
    {
        var frame = InnerEthernet.Around((InnerIp with { Protocol = Transport.Tcp }).Around(Transport.TcpSegment(2800)));
        OverlayRig.ExpectPassed(frame, _rig.Out(frame, gsoSize));
        _rig.ExpectCounters($"out {counter}=1");
    }

    [Theory]
    [InlineData(1370, "passed_helper_failed")] // 1370 + 60 + 20 + 50 = 1500.
    [InlineData(1371, "passed_too_big")]
    public void Segments_WithATcpHeaderThatCannotBeRead_AreTakenForTheLongest(int gsoSize, string counter)
    {
        var frame = InnerEthernet.Around((InnerIp with { Protocol = Transport.Tcp }).Around(Transport.Payload(19)));
        OverlayRig.ExpectPassed(frame, _rig.Out(frame, gsoSize));
        _rig.ExpectCounters($"out {counter}=1");
    }

    [Fact]
    public void Programs_BeforeTheFirstConfiguration_DoNothing()
    {
        _rig.Configure(_ => default);
        var frame = Nodes.Frame(Nodes.One, Nodes.Two);
        OverlayRig.ExpectPassed(frame, _rig.Out(frame));
        _rig.ExpectCounters();
    }

    [Fact]
    public void SourcePort_OfFlows_StaysInTheRangeAndSpreads()
    {
        _rig.Configure(c => c with { SourcePortLow = 50000, SourcePortHigh = 50016 });
        var ports = new HashSet<ushort>();
        for (ushort flow = 1; flow <= 200; flow++)
        {
            var frame = InnerEthernet.Around(InnerIp.Around(Transport.UdpDatagram([1], source: flow)));
            var port = Tunnel.SourcePortOf(_rig.Out(frame).Packet);
            Assert.InRange(port, 50000, 50015);
            Assert.Equal(port, Tunnel.SourcePortOf(_rig.Out(frame).Packet));
            ports.Add(port);
        }

        // 200 flows miss one of 16 ports with a probability of 16 × (15/16)^200 < 0.0001.
        Assert.Equal(16, ports.Count);
    }

    [Fact]
    public void Id_OfOuterPackets_Varies()
    {
        var frame = Nodes.Frame(Nodes.One, Nodes.Two);
        var ids = Enumerable.Range(0, 50).Select(_ => BinaryPrimitives.ReadUInt16BigEndian(_rig.Out(frame).Packet.AsSpan(18))).ToHashSet();
        Assert.True(ids.Count > 40, $"{ids.Count} different ids in 50 packets");
    }

    [Fact]
    public void Vni_OfAllBits_IsWrittenToTheHeader()
    {
        _rig.Configure(c => c with { Vni = 0xabcdef, Port = 4789 });
        var frame = Nodes.Frame(Nodes.One, Nodes.Two);
        var run = _rig.Out(frame);
        var expected = Nodes.Outer(Nodes.One, Nodes.Two).VaryingAs(run.Packet) with { VniWord = 0xabcdef00, Port = 4789 };
        Assert.Equal(expected.Around(frame), run.Packet);
    }

    [Fact]
    public void Peer_WithoutVtepEntry_IsServedAllTheSame()
    {
        _rig.RemoveVtep(Nodes.Two);
        ExpectEncapsulated(Nodes.Frame(Nodes.One, Nodes.Two), 0);
        _rig.ExpectCounters("out taken=1");
        _rig.ExpectTraffic(null);
    }

    private static byte[] Expected(byte[] frame, byte[] packet, byte tos = 0)
    {
        Assert.InRange(Tunnel.SourcePortOf(packet), 32768, 60999);
        var outer = Nodes.Outer(Nodes.One, Nodes.Two);
        return (outer with { Ip = outer.Ip with { Tos = tos } }).VaryingAs(packet).Around(frame);
    }

    private void ExpectEncapsulated(byte[] frame, byte outerTos)
    {
        var run = _rig.Out(frame);
        Assert.True(run.ReturnValue == OverlayRig.Redirect, $"returned {run.ReturnValue}, counters {string.Join(", ", _rig.Counters)}");
        Assert.Equal(Expected(frame, run.Packet, outerTos), run.Packet);
    }

    private void ExpectTaken(byte[] frame)
    {
        ExpectEncapsulated(frame, 0);
        _rig.ExpectCounters("out taken=1");
        _rig.ExpectTraffic(Nodes.Two, packetsOut: 1, bytesOut: frame.Length);
    }

    private void ExpectPassed(byte[] frame, string counter)
    {
        OverlayRig.ExpectPassed(frame, _rig.Out(frame));
        _rig.ExpectCounters($"out {counter}=1");
        _rig.ExpectTraffic(null);
    }
}
