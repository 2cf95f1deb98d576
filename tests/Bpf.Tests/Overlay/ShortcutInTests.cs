using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Lane 2 in: what goes straight into the container, and what lane 1, which is off here, and the driver get as it came.</summary>
public sealed class ShortcutInTests : IDisposable
{
    private static readonly Ipv4 Tcp = ShortcutRig.IpIn(Transport.Tcp);
    private static readonly Ipv4 Udp = ShortcutRig.IpIn(Transport.Udp);
    private static readonly Connection TcpFlow = ShortcutRig.Flow(Transport.Tcp, begunHere: false);
    private static readonly Connection UdpFlow = ShortcutRig.Flow(Transport.Udp, begunHere: false);
    private static readonly Tunnel Outer = Nodes.Outer(Nodes.Two, Nodes.One);

    private readonly ShortcutRig _rig;

    public ShortcutInTests(UnderlayNamespace underlay)
    {
        _rig = new(underlay);
        _rig.Table.Add(TcpFlow);
        _rig.Table.Add(UdpFlow);
    }

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Packet_OfAnAcceptedFlow_IsRoutedIntoTheContainer()
    {
        _rig.ExpectTakenIn(Tcp, TcpFlow.Original());
        _rig.ExpectTakenIn(Udp, UdpFlow.Original());
        _rig.ExpectTakenIn(Udp, UdpFlow.Original([]));
        _rig.ExpectTakenIn(Tcp, TcpFlow.Original([]));
        _rig.ExpectCounters("2 in taken=4");
        _rig.ExpectTraffic(Nodes.Two, packetsIn: 4, bytesIn: (4 * (Ethernet.Length + Ipv4.Length)) + 32 + 40 + 8 + 40 + 8 + 32);
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
                    var (ip, tos) = (Udp with { Tos = (byte)(dscp << 2 | inner) }, (byte)((63 - dscp) << 2 | outer));
                    if (table[inner][outer] == 'T')
                    {
                        _rig.ExpectTakenIn(ip, UdpFlow.Original(), tos);
                        taken++;
                    }
                    else
                    {
                        _rig.ExpectPassedIn(ip, UdpFlow.Original(), tos);
                        passed++;
                    }
                }
            }
        }

        ExpectCounters(taken, "passed_ecn", passed);
    }

    [Fact]
    public void Ttl_OfEveryValue_IsTakenDownByOneHopOrLeftToTheKernel()
    {
        for (var ttl = 0; ttl < 256; ttl++)
        {
            var ip = Udp with { Ttl = (byte)ttl };
            if (ttl <= 1)
                _rig.ExpectPassedIn(ip, UdpFlow.Original());
            else
                _rig.ExpectTakenIn(ip, UdpFlow.Original());
        }

        ExpectCounters(254, "passed_ttl", 2);
    }

    [Theory]
    [InlineData(0x0000, true)]
    [InlineData(0x8000, true)] // The reserved bit.
    [InlineData(Ipv4.MoreFragments, false)]
    [InlineData(Ipv4.MoreFragments | 185, false)]
    [InlineData(370, false)]
    [InlineData(1, false)]
    public void InnerFragment_OfAnyPosition_IsPassedOn(int fragment, bool whole)
    {
        foreach (var (ip, segment) in ((Ipv4, byte[])[])[(Tcp, TcpFlow.Original()), (Udp, UdpFlow.Original())])
        {
            var one = ip with { Fragment = (ushort)fragment };
            if (whole)
                _rig.ExpectTakenIn(one, segment);
            else
                _rig.ExpectPassedIn(one, segment);
        }

        ExpectCounters(whole ? 2 : 0, "passed_fragment", whole ? 0 : 2);
    }

    [Theory]
    [InlineData(Transport.Icmp)]
    [InlineData(132)]
    [InlineData(136)]
    public void Protocol_OtherThanTcpAndUdp_IsPassedOn(byte protocol)
    {
        _rig.ExpectPassedIn(Udp with { Protocol = protocol }, UdpFlow.Original());
        ExpectPassedFor("passed_not_tcp_udp");
    }

    [Theory]
    [InlineData(Ethernet.Ipv6)]
    [InlineData(Ethernet.Arp)]
    [InlineData(0)]
    public void InnerFrame_OtherThanIpv4_IsPassedOn(ushort type)
    {
        _rig.ExpectPassedIn(Outer.Around(Nodes.Inner(Nodes.Two, Nodes.One, type).Around(Udp.Around(UdpFlow.Original()))));
        ExpectPassedFor("passed_not_ipv4");
    }

    [Fact]
    public void Options_InEitherHeader_ArePassedOn()
    {
        for (var length = 4; length <= 40; length += 4)
        {
            byte[] options = [.. Enumerable.Repeat((byte)1, length)];
            _rig.ExpectPassedIn(Udp with { Options = options }, UdpFlow.Original());
            _rig.ExpectPassedIn((Outer with { Ip = Outer.Ip with { Options = options } }).Around(ShortcutRig.Tunnelled(Udp, UdpFlow.Original())));
        }

        ExpectPassedFor("passed_ip_options", 20);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(15)]
    public void InnerVersion_OtherThanFour_IsPassedOn(byte version)
    {
        _rig.ExpectPassedIn(Udp with { Version = version }, UdpFlow.Original());
        ExpectPassedFor("passed_ip_options");
    }

    [Fact]
    public void Packet_CutAnywhere_IsPassedOnUntouched()
    {
        // Outer headers and what is needed of the inner ones: nothing can be said about a packet that has less.
        const int headers = Ethernet.Length + Tunnel.Overhead + Ipv4.Length;
        var packet = ShortcutRig.Received(Tcp, TcpFlow.Original());
        for (var length = OverlayRig.ShortestFrame; length < packet.Length; length++)
            _rig.ExpectPassedIn(packet[..length]);
        _rig.ExpectCounters(
            $"in passed_truncated={headers - OverlayRig.ShortestFrame}", $"2 in passed_truncated={packet.Length - headers}",
            $"in passed_switched_off={packet.Length - headers}");
        _rig.ExpectTraffic(null);
    }

    [Fact]
    public void TransportHeader_CutAnywhere_IsPassedOnUntouched()
    {
        // The lengths of both IP headers and of the outer UDP header agree that there is no more.
        for (var length = 0; length < 20; length++)
            _rig.ExpectPassedIn(Tcp, TcpFlow.Original()[..length]);
        for (var length = 0; length < 8; length++)
            _rig.ExpectPassedIn(Udp, UdpFlow.Original()[..length]);
        ExpectPassedFor("passed_truncated", 28);
    }

    [Fact]
    public void Padding_BehindThePacket_IsPassedOnForTheDriverToCut()
    {
        _rig.ExpectPassedIn([.. ShortcutRig.Received(Udp, UdpFlow.Original()), 0]);
        ExpectPassedFor("passed_truncated");
    }

    [Theory]
    [InlineData("6e:0b:24:f3:bc:5a")] // The sender's own.
    [InlineData("ff:ff:ff:ff:ff:ff")]
    [InlineData("01:00:5e:00:00:01")]
    public void InnerFrame_ForAnotherThanOurDevice_IsPassedOn(string destination)
    {
        var ethernet = Nodes.Inner(Nodes.Two, Nodes.One) with { Destination = MacAddress.Parse(destination) };
        _rig.ExpectPassedIn(Outer.Around(ethernet.Around(Udp.Around(UdpFlow.Original()))));
        ExpectPassedFor("passed_not_routed");
    }

    [Fact]
    public void OuterFrame_ForManyHosts_IsPassedOn()
    {
        var tunnel = Outer with { Ethernet = Outer.Ethernet with { Destination = MacAddress.Parse("ff:ff:ff:ff:ff:ff") } };
        _rig.ExpectPassedIn(tunnel.Around(ShortcutRig.Tunnelled(Udp, UdpFlow.Original())));
        ExpectPassedFor("passed_other_address");
    }

    [Theory]
    [InlineData("192.0.2.2")] // The node itself, whose address has no subnet.
    [InlineData("10.5.1.1")]
    public void Source_InNoSubnet_IsPassedOn(string source)
    {
        var ip = Udp with { Source = IPAddress.Parse(source) };
        _rig.Table.Add(UdpFlow with { Client = new(ip.Source, UdpFlow.Client.Port) });
        _rig.ExpectPassedIn(ip, UdpFlow.Original());
        ExpectPassedFor("passed_foreign_source");
    }

    [Theory]
    [InlineData("10.5.99.2")] // The third node's.
    [InlineData("10.5.60.3")] // Our own.
    public void Source_InAnothersSubnet_IsRefusedOrAtLeastNotCarried(string source)
    {
        var ip = Udp with { Source = IPAddress.Parse(source) };
        _rig.Table.Add(UdpFlow with { Client = new(ip.Source, UdpFlow.Client.Port) });
        Assert.Equal(OverlayRig.Shot, _rig.In(ShortcutRig.Received(ip, UdpFlow.Original())).ReturnValue);
        _rig.ExpectCounters("in refused_forged_source=1");

        _rig.Configure(c => c with { Guard = OverlayGuard.Off });
        _rig.ExpectPassedIn(ip, UdpFlow.Original());
        _rig.ExpectCounters("in refused_forged_source=1", "2 in passed_foreign_source=1", "in passed_switched_off=1");
    }

    [Fact]
    public void Sender_ThatSaysItIsUs_IsNotCarriedWhateverTheGuardIsTold()
    {
        _rig.AddVtep(Nodes.One.Underlay);
        _rig.Configure(c => c with { Guard = OverlayGuard.Off });
        var ip = Udp with { Source = IPAddress.Parse("10.5.60.3") };
        _rig.Table.Add(UdpFlow with { Client = new(ip.Source, UdpFlow.Client.Port) });
        var tunnel = Outer with { Ip = Outer.Ip with { Source = Nodes.One.Underlay } };
        _rig.ExpectPassedIn(tunnel.Around(ShortcutRig.Tunnelled(ip, UdpFlow.Original())));
        ExpectPassedFor("passed_foreign_source");
    }

    [Fact]
    public void Sender_Unknown_IsRefusedOrAtLeastNotCarried()
    {
        _rig.RemoveVtep(Nodes.Two);
        Assert.Equal(OverlayRig.Shot, _rig.In(ShortcutRig.Received(Udp, UdpFlow.Original())).ReturnValue);
        _rig.Configure(c => c with { Guard = OverlayGuard.Observe });
        _rig.ExpectPassedIn(Udp, UdpFlow.Original());
        _rig.ExpectCounters("in refused_unknown_vtep=2", "2 in passed_foreign_source=1", "in passed_switched_off=1");
    }

    [Fact]
    public void Destination_ThatIsNoEndpoint_IsPassedOn()
    {
        _rig.RemoveEndpoint();
        _rig.ExpectPassedIn(Udp, UdpFlow.Original());
        ExpectPassedFor("passed_no_endpoint");
    }

    [Fact]
    public void Size_BeyondTheWayToTheContainer_IsPassedOnForTheKernelToAnswer()
    {
        _rig.ExpectTakenIn(Udp, UdpFlow.Original(Transport.Payload(ShortcutRig.ContainerMtu - 28)));
        _rig.ExpectPassedIn(Udp, UdpFlow.Original(Transport.Payload(ShortcutRig.ContainerMtu - 27)));
        ExpectCounters(1, "passed_too_big", 1);
    }

    [Theory]
    [InlineData(1348, "passed_helper_failed")] // 1348 + 32 + 20 = 1400: fits. The kernel then refuses GSO of no known kind.
    [InlineData(1349, "passed_too_big")]
    public void Aggregate_OfSeveralPackets_IsMeasuredByOne(int gsoSize, string counter)
    {
        var packet = ShortcutRig.Received(Tcp, TcpFlow.Original(Transport.Payload(2700)));
        OverlayRig.ExpectPassed(packet, _rig.In(packet, gsoSize));
        Assert.Contains($"2 in {counter}=1", _rig.Counters);
        _rig.ExpectTraffic(null);
    }

    [Fact]
    public void Forwarder_GetsPacketsButNoAggregates()
    {
        _rig.SetEndpoint(e => e with { Forwards = 1 });
        _rig.ExpectTakenIn(Tcp, TcpFlow.Original());
        var packet = ShortcutRig.Received(Tcp, TcpFlow.Original(Transport.Payload(2700)));
        OverlayRig.ExpectPassed(packet, _rig.In(packet, gsoSize: 1000));
        ExpectCounters(1, "passed_forwarder", 1);
    }

    [Fact]
    public void OtherVni_OfAnAcceptedFlow_IsNoneOfOurBusiness()
    {
        _rig.ExpectPassedIn((Outer with { VniWord = 2 << 8 }).Around(ShortcutRig.Tunnelled(Udp, UdpFlow.Original())));
        _rig.ExpectCounters("in passed_other_vni=1");
    }

    [Fact]
    public void Programs_BeforeTheFirstConfiguration_DoNothing()
    {
        _rig.Configure(_ => default);
        _rig.ExpectPassedIn(Udp, UdpFlow.Original());
        _rig.ExpectCounters();
    }

    private void ExpectPassedFor(string counter, int count = 1)
    {
        ExpectCounters(0, counter, count);
        _rig.ExpectTraffic(null);
    }

    // What lane 2 passes on, lane 1 counts as well.
    private void ExpectCounters(int taken, string counter, int passed) => _rig.ExpectCounters(
    [
        .. taken > 0 ? (string[])[$"2 in taken={taken}"] : [],
        .. passed > 0 ? (string[])[$"2 in {counter}={passed}", $"in passed_switched_off={passed}"] : [],
    ]);
}
