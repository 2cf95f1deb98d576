using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Lane 1 in, on node 1: what becomes the inner frame, and what stays as it came.</summary>
public sealed class DecapsulationTests(UnderlayNamespace underlay) : IDisposable
{
    private static readonly Ethernet InnerEthernet = Nodes.Inner(Nodes.Two, Nodes.One);
    private static readonly Ipv4 InnerIp = Nodes.InnerIp(Nodes.Two, Nodes.One);
    private static readonly Ipv4 TcpIp = InnerIp with { Protocol = Transport.Tcp };
    private static readonly Tunnel Outer = Nodes.Outer(Nodes.Two, Nodes.One);
    private static readonly byte[] Frame = Nodes.Frame(Nodes.Two, Nodes.One);

    private readonly OverlayRig _rig = new(underlay);

    public static TheoryData<string, byte, byte[]> Protocols => EncapsulationTests.Protocols;

    public void Dispose() => _rig.Dispose();

    [Theory]
    [MemberData(nameof(Protocols))]
    public void Packet_FromPeer_BecomesTheInnerFrame(string name, byte protocol, byte[] payload)
    {
        _ = name;
        ExpectTaken(InnerEthernet.Around((InnerIp with { Protocol = protocol }).Around(payload)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(255)]
    public void Ttl_OfEitherHeader_IsLeftToRouting(byte ttl)
    {
        var frame = InnerEthernet.Around((InnerIp with { Ttl = ttl }).Around(Transport.UdpDatagram([1])));
        ExpectDecapsulated(frame, Outer with { Ip = Outer.Ip with { Ttl = ttl } });
        _rig.ExpectCounters("in taken=1");
    }

    [Theory]
    [InlineData(Ipv4.MoreFragments)]
    [InlineData(Ipv4.MoreFragments | 185)]
    [InlineData(370)]
    public void InnerFragment_OfAnyPosition_BecomesTheInnerFrame(int fragment) =>
        ExpectTaken(InnerEthernet.Around((InnerIp with { Fragment = (ushort)fragment }).Around(Transport.Payload(96))));

    [Fact]
    public void InnerOptions_AreNoConcernOfTheLane() =>
        ExpectTaken(InnerEthernet.Around((InnerIp with { Options = [1, 1, 1, 0] }).Around(Transport.UdpDatagram([1]))));

    [Theory]
    [InlineData(0xbeef)]
    [InlineData(0)]
    public void UdpChecksum_OfTheOuterPacket_IsNotLookedAt(ushort checksum)
    {
        ExpectDecapsulated(Frame, Outer with { UdpChecksum = checksum });
        _rig.ExpectCounters("in taken=1");
    }

    [Fact]
    public void OuterTypeOfService_OfEveryEcnCombination_IsTakenOrLeftToTheDriver()
    {
        // RFC 6040, 4.2: rows are inner Not-ECT, ECT(1), ECT(0), CE; columns are outer, in the same order. T: nothing to merge.
        string[] table = ["T.T.", "TTT.", "T.T.", "T.T."];
        int taken = 0, passed = 0;
        for (var inner = 0; inner < 4; inner++)
        {
            for (var outer = 0; outer < 4; outer++)
            {
                for (var dscp = 0; dscp < 64; dscp += 9)
                {
                    var frame = InnerEthernet.Around((InnerIp with { Tos = (byte)(dscp << 2 | inner) }).Around(Transport.UdpDatagram([1])));
                    var tunnel = Outer with { Ip = Outer.Ip with { Tos = (byte)((63 - dscp) << 2 | outer) } };
                    if (table[inner][outer] == 'T')
                    {
                        ExpectDecapsulated(frame, tunnel);
                        taken++;
                    }
                    else
                    {
                        ExpectUntouched(tunnel.Around(frame));
                        passed++;
                    }
                }
            }
        }

        _rig.ExpectCounters($"in taken={taken}", $"in passed_ecn={passed}");
    }

    [Fact]
    public void OuterFragment_OfAnyPosition_IsPassedOn()
    {
        foreach (var fragment in (ushort[])[Ipv4.MoreFragments, Ipv4.MoreFragments | 100, 100])
            ExpectUntouched((Outer with { Ip = Outer.Ip with { Fragment = fragment } }).Around(Frame));
        // Of those only the first shows that it is ours.
        _rig.ExpectCounters("in passed_fragment=1");
    }

    [Fact]
    public void DontFragment_OnTheOuterPacket_ChangesNothing()
    {
        ExpectDecapsulated(Frame, Outer with { Ip = Outer.Ip with { Fragment = Ipv4.DontFragment } });
        _rig.ExpectCounters("in taken=1");
    }

    [Fact]
    public void OuterOptions_OfEveryLength_ArePassedOn()
    {
        for (var length = 4; length <= 40; length += 4)
            ExpectUntouched((Outer with { Ip = Outer.Ip with { Options = [.. Enumerable.Repeat((byte)1, length)] } }).Around(Frame));
        _rig.ExpectCounters("in passed_ip_options=10");
    }

    [Fact]
    public void Packet_CutAnywhere_IsPassedOnUntouched()
    {
        var packet = Outer.Around(Frame);
        for (var length = OverlayRig.ShortestFrame; length < packet.Length; length++)
            ExpectUntouched(packet[..length]);
        _rig.ExpectCounters($"in passed_truncated={packet.Length - OverlayRig.ShortestFrame}");
        _rig.ExpectTraffic(null);
    }

    [Fact]
    public void Padding_BehindThePacket_IsPassedOnForTheDriverToCut()
    {
        ExpectUntouched([.. Outer.Around(Frame), 0]);
        _rig.ExpectCounters("in passed_truncated=1");
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(1, 0)]
    [InlineData(0, -1)]
    [InlineData(0, 1)]
    [InlineData(-90, -90)]
    public void OuterLengths_ThatDoNotAgree_ArePassedOn(int ip, int udp)
    {
        var whole = Ipv4.Length + 8 + 8 + Frame.Length;
        ExpectPassed(
            Outer with { Ip = Outer.Ip with { TotalLength = whole + ip }, UdpLength = whole - Ipv4.Length + udp }, Frame, "passed_truncated");
    }

    [Theory]
    [InlineData(4789)]
    [InlineData(8473)]
    [InlineData(0)]
    public void Port_OtherThanOurs_IsPassedOnUncounted(ushort port)
    {
        ExpectUntouched((Outer with { Port = port }).Around(Frame));
        _rig.ExpectCounters();
    }

    [Theory]
    [InlineData(0x08000000u, 0x00000200u)] // VNI 2.
    [InlineData(0x08000000u, 0x01000100u)]
    [InlineData(0x08000000u, 0x00000000u)]
    [InlineData(0x08000000u, 0x00000101u)] // The reserved byte behind the VNI.
    [InlineData(0x00000000u, 0x00000100u)] // No VNI.
    [InlineData(0x88000000u, 0x00000100u)] // Group policy.
    [InlineData(0x0c000000u, 0x00000100u)] // GPE.
    [InlineData(0x08000001u, 0x00000100u)] // Reserved bits: the driver drops them.
    [InlineData(0x08200000u, 0x00000100u)] // Remote checksum offload.
    public void Header_OtherThanOurs_IsPassedOn(uint flags, uint vni) =>
        ExpectPassed(Outer with { Flags = flags, VniWord = vni }, Frame, "passed_other_vni");

    [Theory]
    [InlineData("192.0.2.9")]
    [InlineData("10.5.60.0")]
    [InlineData("255.255.255.255")]
    public void Destination_OtherThanOurVtep_IsPassedOnUncounted(string destination)
    {
        ExpectUntouched((Outer with { Ip = Outer.Ip with { Destination = IPAddress.Parse(destination) } }).Around(Frame));
        _rig.ExpectCounters();
    }

    [Fact]
    public void Frame_ForAnotherHost_IsPassedOnUncounted()
    {
        ExpectUntouched((Outer with { Ethernet = Outer.Ethernet with { Destination = MacAddress.Parse("02:00:00:00:00:77") } }).Around(Frame));
        _rig.ExpectCounters();
    }

    [Theory]
    [InlineData("ff:ff:ff:ff:ff:ff")]
    [InlineData("01:00:5e:00:00:01")]
    public void Frame_ForManyHosts_IsPassedOn(string destination) =>
        ExpectPassed(
            Outer with { Ethernet = Outer.Ethernet with { Destination = MacAddress.Parse(destination) } }, Frame, "passed_other_address");

    [Theory]
    [InlineData(Transport.Tcp)]
    [InlineData(Transport.Icmp)]
    [InlineData(136)] // UDP-Lite.
    public void OuterProtocol_OtherThanUdp_IsPassedOnUncounted(byte protocol)
    {
        ExpectUntouched((Outer with { Ip = Outer.Ip with { Protocol = protocol } }).Around(Frame));
        _rig.ExpectCounters();
    }

    [Theory]
    [InlineData(Ethernet.Ipv6)]
    [InlineData(Ethernet.Arp)]
    [InlineData(Ethernet.Vlan)]
    public void OuterEthernet_OtherThanIpv4_IsPassedOnUncounted(ushort type)
    {
        ExpectUntouched((Outer with { Ethernet = Outer.Ethernet with { Type = type } }).Around(Frame));
        _rig.ExpectCounters();
    }

    [Theory]
    [InlineData(Ethernet.Ipv6)]
    [InlineData(Ethernet.Arp)]
    [InlineData(0)]
    public void InnerProtocol_OtherThanIpv4_IsPassedOn(ushort type) =>
        ExpectPassed(Outer, (InnerEthernet with { Type = type }).Around(Transport.Payload(60)), "passed_not_ipv4");

    [Fact]
    public void Aggregate_OfSeveralPackets_IsPassedOn()
    {
        var packet = Outer.Around(Frame);
        OverlayRig.ExpectPassed(packet, _rig.In(packet, gsoSize: 40));
        _rig.ExpectCounters("in passed_gso=1");
    }

    /// <summary>What GRO waits for others with: data that neither begins, ends nor pushes.</summary>
    [Theory]
    [InlineData(0x10, 0, 0, "taken")] // ACK without data.
    [InlineData(0x10, 1, 0, "passed_stream")]
    [InlineData(0x10, 1400, 0, "passed_stream")]
    [InlineData(0x10, 1400, 12, "passed_stream")]
    [InlineData(0x10, 0, 12, "taken")] // The options are no data.
    [InlineData(0x18, 1400, 12, "taken")] // PSH.
    [InlineData(0x11, 1400, 12, "taken")] // FIN.
    [InlineData(0x12, 0, 20, "taken")] // SYN, ACK.
    [InlineData(0x02, 100, 20, "taken")] // SYN with data.
    [InlineData(0x14, 0, 0, "taken")] // RST.
    [InlineData(0x30, 1, 0, "taken")] // URG.
    [InlineData(0xd0, 1, 0, "passed_stream")] // ECE and CWR.
    public void Segment_UnderAuto_IsTakenUnlessGroCouldMakeItLarger(byte flags, int payload, int options, string counter)
    {
        _rig.Configure(c => c with { TunnelIn = OverlayTunnelIn.Auto });
        var frame = InnerEthernet.Around(TcpIp.Around(Transport.TcpSegment(payload, options: options, flags: flags)));
        if (counter == "taken")
            ExpectDecapsulated(frame, Outer);
        else
            ExpectUntouched(Outer.Around(frame));
        _rig.ExpectCounters($"in {counter}=1");
    }

    [Theory]
    [InlineData(Ipv4.MoreFragments, null)]
    [InlineData(185, null)]
    [InlineData(0, 1)] // With an IP option.
    public void Segment_ThatGroLeavesAlone_IsTakenUnderAuto(int fragment, int? option)
    {
        _rig.Configure(c => c with { TunnelIn = OverlayTunnelIn.Auto });
        var ip = TcpIp with { Fragment = (ushort)fragment, Options = option is { } o ? [(byte)o, 1, 1, 0] : [] };
        ExpectTaken(InnerEthernet.Around(ip.Around(Transport.TcpSegment(1000, flags: 0x10))));
    }

    [Fact]
    public void Segment_WhoseHeaderEndsTooSoon_IsTakenUnderAuto()
    {
        _rig.Configure(c => c with { TunnelIn = OverlayTunnelIn.Auto });
        ExpectTaken(InnerEthernet.Around(TcpIp.Around(Transport.TcpSegment(0, flags: 0x10)[..19])));
    }

    [Theory]
    [MemberData(nameof(Protocols))]
    public void Packet_UnderAuto_BecomesTheInnerFrame(string name, byte protocol, byte[] payload)
    {
        _rig.Configure(c => c with { TunnelIn = OverlayTunnelIn.Auto });
        Packet_FromPeer_BecomesTheInnerFrame(name, protocol, payload);
    }

    [Fact]
    public void Lane_SwitchedOff_PassesOnAndStillGuards()
    {
        _rig.Configure(c => c with { TunnelIn = OverlayTunnelIn.Driver });
        ExpectUntouched(Outer.Around(Frame));
        _rig.RemoveVtep(Nodes.Two);
        Assert.Equal(OverlayRig.Shot, _rig.In(Outer.Around(Frame)).ReturnValue);
        _rig.ExpectCounters("in passed_switched_off=1", "in refused_unknown_vtep=1");
    }

    [Fact]
    public void Programs_BeforeTheFirstConfiguration_DoNothing()
    {
        _rig.Configure(_ => default);
        ExpectUntouched(Outer.Around(Frame));
        _rig.ExpectCounters();
    }

    [Fact]
    public void EthernetHeader_OfTheInnerFrame_IsHandedOnAsItIs() =>
        ExpectTaken((InnerEthernet with { Destination = MacAddress.Parse("ff:ff:ff:ff:ff:ff"), Source = MacAddress.Parse("02:00:00:00:00:99") })
            .Around(InnerIp.Around(Transport.UdpDatagram([1]))));

    [Fact]
    public void Packet_OfEveryLength_IsDecapsulated()
    {
        for (var payload = 0; payload <= 1450 - Ipv4.Length; payload += payload < 64 ? 1 : 37)
            ExpectDecapsulated(InnerEthernet.Around(InnerIp.Around(Transport.Payload(payload))), Outer);
    }

    private void ExpectDecapsulated(byte[] frame, Tunnel tunnel)
    {
        var run = _rig.In(tunnel.Around(frame));
        Assert.True(run.ReturnValue == OverlayRig.Redirect, $"returned {run.ReturnValue}, counters {string.Join(", ", _rig.Counters)}");
        Assert.Equal(frame, run.Packet);
    }

    private void ExpectTaken(byte[] frame)
    {
        ExpectDecapsulated(frame, Outer);
        _rig.ExpectCounters("in taken=1");
        _rig.ExpectTraffic(Nodes.Two, packetsIn: 1, bytesIn: frame.Length);
    }

    private void ExpectUntouched(byte[] packet) => OverlayRig.ExpectPassed(packet, _rig.In(packet));

    private void ExpectPassed(Tunnel tunnel, byte[] frame, string counter)
    {
        ExpectUntouched(tunnel.Around(frame));
        _rig.ExpectCounters($"in {counter}=1");
        _rig.ExpectTraffic(null);
    }
}
