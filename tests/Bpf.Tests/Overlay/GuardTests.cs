using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Who may send what to node 1, in each mode of the guard.</summary>
public sealed class GuardTests(UnderlayNamespace underlay) : IDisposable
{
    private static readonly IPAddress Stranger = IPAddress.Parse("192.0.2.66");

    private readonly OverlayRig _rig = new(underlay);

    /// <summary>Outer source, inner source, and the counter of a refusal; null for none.</summary>
    public static TheoryData<string, string, string?> Senders => new()
    {
        { "192.0.2.2", "10.5.88.2", null },
        { "192.0.2.2", "10.5.88.255", null },
        { "192.0.2.2", "192.0.2.2", null }, // The host itself.
        { "192.0.2.2", "198.51.100.7", null }, // Not masqueraded traffic from behind it.
        { "192.0.2.2", "10.5.99.2", "refused_forged_source" }, // Node 3's container.
        { "192.0.2.2", "10.5.60.2", "refused_forged_source" }, // Ours.
        { "192.0.2.3", "10.5.88.2", "refused_forged_source" },
        { "192.0.2.3", "10.5.99.2", null },
        { "192.0.2.66", "10.5.88.2", "refused_unknown_vtep" },
        { "192.0.2.66", "198.51.100.7", "refused_unknown_vtep" },
        { "192.0.2.1", "10.5.60.2", "refused_unknown_vtep" }, // Our own address.
        { "0.0.0.0", "10.5.88.2", "refused_unknown_vtep" },
    };

    /// <summary>The same, with 192.0.2.64/26 and node 3's address among those that may send for others.</summary>
    public static TheoryData<string, string, string?> AllowedSenders => new()
    {
        { "192.0.2.66", "10.5.88.2", null },
        { "192.0.2.66", "10.5.99.2", null },
        { "192.0.2.66", "198.51.100.7", null },
        { "192.0.2.66", "10.5.60.2", "refused_forged_source" }, // Ours.
        { "192.0.2.63", "10.5.88.2", "refused_unknown_vtep" },
        { "192.0.2.128", "10.5.88.2", "refused_unknown_vtep" },
        { "192.0.2.3", "10.5.88.2", null },
        { "192.0.2.3", "10.5.60.2", "refused_forged_source" },
        { "192.0.2.2", "10.5.99.2", "refused_forged_source" },
        { "192.0.2.2", "10.5.88.2", null },
    };

    public void Dispose() => _rig.Dispose();

    [Theory]
    [MemberData(nameof(AllowedSenders))]
    public void Sender_UnderVtepWithAllowedNetworks_MaySendForAnyNodeButUs(string outer, string inner, string? refusal)
    {
        _rig.Allow("192.0.2.64/26");
        _rig.Allow("192.0.2.3/32");
        Sender_UnderVtep_IsRefusedIfItLies(outer, inner, refusal);
    }

    [Theory]
    [MemberData(nameof(Senders))]
    public void Sender_UnderStrict_IsRefusedIfItLies(string outer, string inner, string? refusal)
    {
        _rig.Configure(c => c with { Guard = OverlayGuard.Strict });
        Sender_UnderVtep_IsRefusedIfItLies(outer, inner, refusal);
    }

    [Theory]
    [InlineData(OverlayGuard.Off, "192.0.2.66", "10.5.88.2", null)]
    [InlineData(OverlayGuard.Observe, "192.0.2.66", "10.5.88.2", "refused_unknown_vtep")]
    [InlineData(OverlayGuard.Observe, "192.0.2.2", "10.5.88.2", null)]
    [InlineData(OverlayGuard.Vtep, "192.0.2.2", "10.5.88.2", null)]
    public void FirstFragment_UnderLesserGuards_IsPassedOn(OverlayGuard guard, string outer, string inner, string? counter)
    {
        _rig.Configure(c => c with { Guard = guard });
        var packet = FirstFragment(outer, inner);
        OverlayRig.ExpectPassed(packet, _rig.In(packet));
        _rig.ExpectCounters(counter is null ? ["in passed_fragment=1"] : ["in passed_fragment=1", $"in {counter}=1"]);
    }

    [Theory]
    [InlineData(OverlayGuard.Vtep, "192.0.2.66", "10.5.88.2", "refused_unknown_vtep")]
    [InlineData(OverlayGuard.Vtep, "192.0.2.2", "10.5.99.2", "refused_forged_source")]
    [InlineData(OverlayGuard.Strict, "192.0.2.2", "10.5.88.2", "refused_fragment")]
    [InlineData(OverlayGuard.Strict, "192.0.2.66", "10.5.88.2", "refused_fragment")]
    public void FirstFragment_OfAForgerOrUnderStrict_IsRefused(OverlayGuard guard, string outer, string inner, string counter)
    {
        _rig.Configure(c => c with { Guard = guard });
        Assert.Equal(OverlayRig.Shot, _rig.In(FirstFragment(outer, inner)).ReturnValue);
        _rig.ExpectCounters($"in {counter}=1");
    }

    [Fact]
    public void FirstFragment_OfAnotherVniUnderStrict_IsNoneOfOurBusiness()
    {
        _rig.Configure(c => c with { Guard = OverlayGuard.Strict });
        var tunnel = From("192.0.2.2") with { VniWord = 99 << 8 };
        var packet = (tunnel with { Ip = tunnel.Ip with { Fragment = Ipv4.MoreFragments } }).Around(InnerFrame("10.5.88.2"));
        OverlayRig.ExpectPassed(packet, _rig.In(packet));
        _rig.ExpectCounters("in passed_other_vni=1");
    }

    [Theory]
    [MemberData(nameof(Senders))]
    public void Sender_UnderVtep_IsRefusedIfItLies(string outer, string inner, string? refusal)
    {
        var (packet, frame) = Packet(outer, inner);
        var run = _rig.In(packet);
        if (refusal is null)
        {
            Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
            Assert.Equal(frame, run.Packet);
            _rig.ExpectCounters("in taken=1");
        }
        else
        {
            Assert.Equal(OverlayRig.Shot, run.ReturnValue);
            _rig.ExpectCounters($"in {refusal}=1");
            _rig.ExpectTraffic(null);
        }
    }

    [Theory]
    [MemberData(nameof(Senders))]
    public void Sender_UnderObserve_IsCountedAndCarried(string outer, string inner, string? refusal)
    {
        _rig.Configure(c => c with { Guard = OverlayGuard.Observe });
        var (packet, frame) = Packet(outer, inner);
        var run = _rig.In(packet);
        Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
        Assert.Equal(frame, run.Packet);
        _rig.ExpectCounters(refusal is null ? ["in taken=1"] : ["in taken=1", $"in {refusal}=1"]);
    }

    [Theory]
    [MemberData(nameof(Senders))]
    public void Sender_UnderOff_IsCarried(string outer, string inner, string? refusal)
    {
        _ = refusal;
        _rig.Configure(c => c with { Guard = OverlayGuard.Off });
        var (packet, frame) = Packet(outer, inner);
        var run = _rig.In(packet);
        Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
        Assert.Equal(frame, run.Packet);
        _rig.ExpectCounters("in taken=1");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Aggregate_OfAForger_IsRefusedToo(bool gso)
    {
        var (packet, _) = Packet("192.0.2.66", "10.5.88.2");
        Assert.Equal(OverlayRig.Shot, _rig.In(packet, gso ? 40 : 0).ReturnValue);
        _rig.ExpectCounters("in refused_unknown_vtep=1");
    }

    [Theory]
    [InlineData("192.0.2.66")]
    [InlineData("192.0.2.2")]
    public void OtherVni_OfAnySender_IsNoneOfOurBusiness(string outer)
    {
        var tunnel = From(outer) with { VniWord = 99 << 8 };
        var packet = tunnel.Around(InnerFrame("10.5.99.2"));
        OverlayRig.ExpectPassed(packet, _rig.In(packet));
        _rig.ExpectCounters("in passed_other_vni=1");
    }

    [Theory]
    [InlineData(Ethernet.Ipv6)]
    [InlineData(Ethernet.Arp)]
    public void Stranger_WithAnyInnerProtocol_IsRefused(ushort type)
    {
        var frame = Nodes.Inner(Nodes.Two, Nodes.One, type).Around(Transport.Payload(60));
        Assert.Equal(OverlayRig.Shot, _rig.In(From(Stranger.ToString()).Around(frame)).ReturnValue);
        _rig.ExpectCounters("in refused_unknown_vtep=1");
    }

    [Fact]
    public void Stranger_WithOptionsInTheOuterHeader_IsRefused()
    {
        var tunnel = From(Stranger.ToString());
        var packet = (tunnel with { Ip = tunnel.Ip with { Options = [1, 1, 1, 0] } }).Around(InnerFrame("10.5.88.2"));
        Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        _rig.ExpectCounters("in refused_unknown_vtep=1");
    }

    [Fact]
    public void ForgedSource_BehindOptionsInTheOuterHeader_IsRefused()
    {
        var tunnel = From("192.0.2.2");
        var packet = (tunnel with { Ip = tunnel.Ip with { Options = [1, 1, 1, 1, 1, 1, 1, 0] } }).Around(InnerFrame("10.5.99.2"));
        Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        _rig.ExpectCounters("in refused_forged_source=1");
    }

    [Fact]
    public void Stranger_WithAMulticastHardwareAddress_IsRefused()
    {
        // The kernel delivers a unicast packet in a broadcast frame.
        var tunnel = From(Stranger.ToString());
        var packet = (tunnel with { Ethernet = tunnel.Ethernet with { Destination = MacAddress.Parse("ff:ff:ff:ff:ff:ff") } })
            .Around(InnerFrame("10.5.88.2"));
        Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        _rig.ExpectCounters("in refused_unknown_vtep=1");
    }

    [Theory]
    [InlineData(OverlayGuard.Observe, "in refused_inner_vlan=1")]
    [InlineData(OverlayGuard.Off, null)]
    public void InnerVlanTag_UnderLesserGuards_IsPassedOn(OverlayGuard guard, string? counter)
    {
        _rig.Configure(c => c with { Guard = guard });
        var packet = From("192.0.2.2").Around(Nodes.Inner(Nodes.Two, Nodes.One, Ethernet.Vlan).Around([0, 0, 8, 0, .. Transport.Payload(60)]));
        OverlayRig.ExpectPassed(packet, _rig.In(packet));
        _rig.ExpectCounters(counter is null ? ["in passed_not_ipv4=1"] : ["in passed_not_ipv4=1", counter]);
    }

    [Fact]
    public void OurOwnSubnet_FromOurOwnAddress_IsRefused()
    {
        // Even if our own address were among the peers': nothing of ours comes in by the underlay.
        _rig.AddVtep(Nodes.One.Underlay);
        var (packet, _) = Packet("192.0.2.1", "10.5.60.2");
        Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        _rig.ExpectCounters("in refused_forged_source=1");
    }

    // The kernel takes a tag with VLAN 0 off and delivers the packet as if there had been none; a frame may have several.
    [Theory]
    [InlineData(0x8100, 0)]
    [InlineData(0x88a8, 0)]
    [InlineData(0x8100, 5)]
    public void ForgedSource_BehindAnInnerVlanTag_IsRefused(int protocol, byte vlan)
    {
        var inner = Nodes.InnerIp(Nodes.Three, Nodes.One).Around(Transport.UdpDatagram([1]));
        byte[] tagged = [0, vlan, 0x08, 0x00, .. inner];
        var frame = Nodes.Inner(Nodes.Two, Nodes.One, (ushort)protocol).Around(tagged);
        Assert.Equal(OverlayRig.Shot, _rig.In(From("192.0.2.2").Around(frame)).ReturnValue);
        _rig.ExpectCounters("in refused_inner_vlan=1");
    }

    private static Tunnel From(string outer)
    {
        var tunnel = Nodes.Outer(Nodes.Two, Nodes.One);
        return tunnel with { Ip = tunnel.Ip with { Source = IPAddress.Parse(outer) } };
    }

    private static byte[] FirstFragment(string outer, string inner)
    {
        var tunnel = From(outer);
        return (tunnel with { Ip = tunnel.Ip with { Fragment = Ipv4.MoreFragments } }).Around(InnerFrame(inner));
    }

    private static byte[] InnerFrame(string source) => Nodes.Inner(Nodes.Two, Nodes.One)
        .Around((Nodes.InnerIp(Nodes.Two, Nodes.One) with { Source = IPAddress.Parse(source) }).Around(Transport.UdpDatagram([1, 2, 3])));

    private static (byte[] Packet, byte[] Frame) Packet(string outer, string inner)
    {
        var frame = InnerFrame(inner);
        return (From(outer).Around(frame), frame);
    }
}
