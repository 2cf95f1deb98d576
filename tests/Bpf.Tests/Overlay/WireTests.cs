using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Lane 3 in, on node 1: what becomes the inner frame with a word before it, what is dropped, and what stays as it came.</summary>
public sealed class WireTests(UnderlayNamespace underlay) : IDisposable
{
    private static readonly Ethernet InnerEthernet = Nodes.Inner(Nodes.Two, Nodes.One);
    private static readonly Ipv4 InnerIp = Nodes.InnerIp(Nodes.Two, Nodes.One);
    private static readonly Tunnel Outer = Nodes.Outer(Nodes.Two, Nodes.One);
    private static readonly byte[] Frame = Nodes.Frame(Nodes.Two, Nodes.One);
    private static readonly byte[] Packet = Outer.Around(Frame);

    private readonly WireRig _rig = new(underlay);

    public static TheoryData<string, byte, byte[]> Protocols => EncapsulationTests.Protocols;

    public static TheoryData<string, string, string?> Senders => GuardTests.Senders;

    public static TheoryData<string, string, string?> AllowedSenders => GuardTests.AllowedSenders;

    public void Dispose() => _rig.Dispose();

    [Theory]
    [MemberData(nameof(Protocols))]
    public void Packet_FromPeer_BecomesTheInnerFrameWithTheLanesWord(string name, byte protocol, byte[] payload)
    {
        _ = name;
        var frame = InnerEthernet.Around((InnerIp with { Protocol = protocol }).Around(payload));
        var run = _rig.Arrive(Outer.Around(frame));
        Assert.Equal(WireRig.Pass, run.ReturnValue);
        Assert.Equal([.. _rig.Word(), .. frame], run.Packet);
        _rig.ExpectTraffic(Nodes.Two, packetsIn: 1, bytesIn: frame.Length);
        _rig.ExpectCounters("3 in taken=1");
    }

    [Fact]
    public void Packet_FromThePeersHostItself_IsNotOfTheNodeOfItsSource()
    {
        var frame = InnerEthernet.Around((InnerIp with { Source = Nodes.Two.Underlay }).Around(Transport.UdpDatagram([1])));
        Assert.Equal([.. _rig.Word(nodeOfSource: false), .. frame], _rig.Arrive(Outer.Around(frame)).Packet);
    }

    [Fact]
    public void Packet_FromBehindAnAllowedAddress_IsNotOfTheNodeOfItsSource()
    {
        _rig.Allow("192.0.2.64/26");
        var tunnel = Outer with { Ip = Outer.Ip with { Source = IPAddress.Parse("192.0.2.66") } };
        Assert.Equal([.. _rig.Word(nodeOfSource: false), .. Frame], _rig.Arrive(tunnel.Around(Frame)).Packet);
        _rig.ExpectTraffic(null);
    }

    [Theory]
    [MemberData(nameof(Senders))]
    public void Sender_UnderVtep_IsDroppedIfItLies(string outer, string inner, string? refusal)
    {
        var run = _rig.Arrive(From(outer, inner));
        Assert.Equal(refusal is null ? WireRig.Pass : WireRig.Drop, run.ReturnValue);
        _rig.ExpectCounters($"3 in {refusal ?? "taken"}=1");
    }

    [Theory]
    [MemberData(nameof(AllowedSenders))]
    public void Sender_UnderVtepWithAllowedNetworks_IsDroppedIfItLies(string outer, string inner, string? refusal)
    {
        _rig.Allow("192.0.2.64/26");
        _rig.Allow("192.0.2.3/32");
        Sender_UnderVtep_IsDroppedIfItLies(outer, inner, refusal);
    }

    [Theory]
    [InlineData(OverlayGuard.Off, "3 in taken=1")]
    [InlineData(OverlayGuard.Observe, "3 in taken=1", "3 in refused_unknown_vtep=1")]
    public void Stranger_UnderLesserGuards_IsLetIn(OverlayGuard guard, params string[] counters)
    {
        _rig.Configure(c => c with { Guard = guard });
        Assert.Equal(WireRig.Pass, _rig.Arrive(From("192.0.2.66", "10.5.88.2")).ReturnValue);
        _rig.ExpectCounters(counters);
    }

    [Fact]
    public void FirstFragment_UnderStrict_IsDropped_AndElseLeftToTheDriver()
    {
        var fragment = (Outer with { Ip = Outer.Ip with { Fragment = Ipv4.MoreFragments } }).Around(Frame);
        _rig.ExpectUntouched(fragment);
        _rig.Configure(c => c with { Guard = OverlayGuard.Strict });
        Assert.Equal(WireRig.Drop, _rig.Arrive(fragment).ReturnValue);
        _rig.ExpectCounters("3 in passed_fragment=1", "3 in refused_fragment=1");
    }

    [Fact]
    public void Refusal_IsShownWithTheInterface()
    {
        using var refusals = _rig.Refusals();
        var packet = From("192.0.2.66", "10.5.88.2");
        _rig.Arrive(packet);
        var shown = Assert.Single(refusals.Consume());
        Assert.Equal((RefusalReason.UnknownVtep, (byte)1, (uint)packet.Length), (shown.Reason, shown.Dropped, shown.Length));
        // The test runs it on lo.
        Assert.Equal((IPAddress.Parse("192.0.2.66"), 1u), (shown.OuterSource.ToIPAddress(), shown.Ifindex));
    }

    [Fact]
    public void Lane_ToldToGuardOnly_DecapsulatesNothing()
    {
        _rig.Configure(c => c with { EarlyIn = OverlayEarlyIn.Guard });
        _rig.ExpectUntouched(Packet);
        Assert.Equal(WireRig.Drop, _rig.Arrive(From("192.0.2.66", "10.5.88.2")).ReturnValue);
        _rig.ExpectCounters("3 in passed_switched_off=1", "3 in refused_unknown_vtep=1");
    }

    [Fact]
    public void Lane_WithoutACookie_DecapsulatesNothing()
    {
        _rig.Configure(c => c with { Cookie = default });
        _rig.ExpectUntouched(Packet);
        _rig.ExpectCounters("3 in passed_switched_off=1");
    }

    [Fact]
    public void Lane_BeforeTheAgentHasFilledTheConfig_LetsEverythingBy()
    {
        _rig.Configure(_ => default);
        _rig.ExpectUntouched(Packet);
        _rig.ExpectCounters();
    }

    [Fact]
    public void EverythingElse_OnTheInterface_IsUntouchedAndNotCounted()
    {
        var toUs = new Ethernet(Nodes.One.UnderlayMac, Nodes.Two.UnderlayMac);
        byte[][] frames =
        [
            // The same packet for another host, a group, and everybody.
            .. ((string[])["02:00:00:00:00:99", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"]).Select(
                to => (Outer with { Ethernet = Outer.Ethernet with { Destination = MacAddress.Parse(to) } }).Around(Frame)),
            (toUs with { Type = Ethernet.Ipv6 }).Around(Transport.Payload(60)),
            (toUs with { Type = Ethernet.Arp }).Around(Transport.Payload(46)),
            // A tag that the NIC has left on, VLAN 5 and priority alone.
            .. ((byte[])[5, 0]).Select(vlan => (toUs with { Type = Ethernet.Vlan }).Around([0, vlan, .. Packet[12..]])),
            (Outer with { Port = 4789 }).Around(Frame),
            (Outer with { Ip = Outer.Ip with { Destination = IPAddress.Parse("192.0.2.9") } }).Around(Frame),
            (Outer with { Ip = Outer.Ip with { Fragment = 100 } }).Around(Frame),
            toUs.Around((Outer.Ip with { Protocol = Transport.Tcp }).Around(Transport.Payload(60))),
            toUs.Around(Transport.Payload(20)),
        ];
        foreach (var frame in frames)
            _rig.ExpectUntouched(frame);
        _rig.ExpectCounters();
    }

    [Fact]
    public void PacketsOfOurs_ThatTheDriverHasToLookAt_AreUntouchedAndCounted()
    {
        _rig.ExpectUntouched((Outer with { VniWord = 99 << 8 }).Around(Frame));
        _rig.ExpectUntouched((Outer with { Ip = Outer.Ip with { Options = [1, 1, 1, 0] } }).Around(Frame));
        _rig.ExpectUntouched((Outer with { Ip = Outer.Ip with { Tos = 3 } }).Around(Frame));
        _rig.ExpectUntouched((Outer with { UdpLength = 20 }).Around(Frame));
        _rig.ExpectUntouched([.. Packet, 0, 0]);
        _rig.ExpectUntouched(Outer.Around((InnerEthernet with { Type = Ethernet.Ipv6 }).Around(Transport.Payload(60))));
        _rig.ExpectCounters("3 in passed_other_vni=1", "3 in passed_ip_options=1", "3 in passed_ecn=1", "3 in passed_truncated=2", "3 in passed_not_ipv4=1");
    }

    [Fact]
    public void Packet_CutAnywhere_IsPassedOnUntouched()
    {
        // Shorter ones than an Ethernet header no test run takes.
        for (var length = Ethernet.Length; length < Packet.Length; length++)
            _rig.ExpectUntouched(Packet[..length]);
    }

    private static byte[] From(string outer, string inner) =>
        (Outer with { Ip = Outer.Ip with { Source = IPAddress.Parse(outer) } }).Around(
            InnerEthernet.Around((InnerIp with { Source = IPAddress.Parse(inner) }).Around(Transport.UdpDatagram(Transport.Payload(64)))));
}
