using System.Diagnostics;
using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>What the guard shows of what it refuses.</summary>
public sealed class RefusalTests : IDisposable
{
    private const int RecordHeader = 8;

    private readonly OverlayRig _rig;
    private readonly BpfRingBuffer<RefusalSample> _ring;

    public RefusalTests(UnderlayNamespace underlay)
    {
        _rig = new(underlay);
        _ring = _rig.Refusals();
    }

    public void Dispose()
    {
        _ring.Dispose();
        _rig.Dispose();
    }

    [Theory]
    [InlineData(OverlayGuard.Vtep, "192.0.2.66", "10.5.88.2", RefusalReason.UnknownVtep, 1)]
    [InlineData(OverlayGuard.Vtep, "192.0.2.2", "10.5.99.2", RefusalReason.ForgedSource, 1)]
    [InlineData(OverlayGuard.Observe, "192.0.2.66", "10.5.88.2", RefusalReason.UnknownVtep, 0)]
    [InlineData(OverlayGuard.Observe, "192.0.2.2", "10.5.60.2", RefusalReason.ForgedSource, 0)]
    public void Refusal_IsShownWithWhoSentWhat(OverlayGuard guard, string outer, string inner, RefusalReason reason, byte dropped)
    {
        _rig.Configure(c => c with { Guard = guard });
        var packet = Packet(outer, inner);
        var before = Now();
        _rig.In(packet);
        var shown = Assert.Single(_ring.Consume());
        Assert.InRange(shown.At, before, Now());
        Assert.Equal((IPAddress.Parse(outer), IPAddress.Parse(inner)), (shown.OuterSource.ToIPAddress(), shown.InnerSource.ToIPAddress()));
        Assert.Equal(Nodes.InnerIp(Nodes.Two, Nodes.One).Destination, shown.InnerDestination.ToIPAddress());
        Assert.Equal((reason, dropped, (uint)packet.Length), (shown.Reason, shown.Dropped, shown.Length));
        Assert.Equal((Ethernet.Ipv4, Transport.Udp), (shown.InnerType, shown.InnerProtocol));
        Assert.Equal(_rig.Config.UnderlayIfindex, shown.Ifindex);
    }

    [Fact]
    public void Refusal_OfWhatIsNotIpv4_HasNoInnerAddresses()
    {
        var frame = Nodes.Inner(Nodes.Two, Nodes.One, Ethernet.Vlan).Around([0, 5, 8, 0, .. Transport.Payload(60)]);
        Assert.Equal(OverlayRig.Shot, _rig.In(Nodes.Outer(Nodes.Two, Nodes.One).Around(frame)).ReturnValue);
        var shown = Assert.Single(_ring.Consume());
        Assert.Equal((RefusalReason.InnerVlan, Ethernet.Vlan, (byte)0), (shown.Reason, shown.InnerType, shown.InnerProtocol));
        Assert.Equal((IPAddress.IPv6Any, IPAddress.IPv6Any), (shown.InnerSource.ToIPAddress(), shown.InnerDestination.ToIPAddress()));
    }

    [Fact]
    public void Refusal_OfAFragmentUnderStrict_IsShown()
    {
        _rig.Configure(c => c with { Guard = OverlayGuard.Strict });
        var tunnel = Nodes.Outer(Nodes.Two, Nodes.One);
        _rig.In((tunnel with { Ip = tunnel.Ip with { Fragment = Ipv4.MoreFragments } }).Around(Nodes.Frame(Nodes.Two, Nodes.One)));
        Assert.Equal(RefusalReason.Fragment, Assert.Single(_ring.Consume()).Reason);
    }

    [Theory]
    [InlineData(OverlayGuard.Off, "192.0.2.66")]
    [InlineData(OverlayGuard.Vtep, "192.0.2.2")]
    public void Packet_ThatComesIn_IsNotShown(OverlayGuard guard, string outer)
    {
        _rig.Configure(c => c with { Guard = guard });
        Assert.Equal(OverlayRig.Redirect, _rig.In(Packet(outer, "10.5.88.2")).ReturnValue);
        Assert.Empty(_ring.Consume());
    }

    [Fact]
    public void Flood_IsCountedWholeAndShownInSamples()
    {
        const int packets = 2000;
        var packet = Packet("192.0.2.66", "10.5.88.2");
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < packets; i++)
            Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        var most = ((int)clock.Elapsed.TotalMilliseconds + 1) * Environment.ProcessorCount;
        Assert.InRange(_ring.Consume().Count, 1, most);
        _rig.ExpectCounters($"in refused_unknown_vtep={packets}");
    }

    [Fact]
    public void Ring_ThatNobodyReads_FillsUpAndChangesNoVerdict()
    {
        // The kernel keeps one byte free, and each record has a header.
        var room = 65536 / (LayoutTests.SizeOf(typeof(RefusalSample)) + RecordHeader);
        var packet = Packet("192.0.2.66", "10.5.88.2");
        var refused = 0;
        for (; refused < room + 200; refused++)
        {
            _rig.ForgetLastRefusal();
            Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        }

        Assert.InRange(_ring.Consume().Count, room - 1, room);
        _rig.ForgetLastRefusal();
        Assert.Equal(OverlayRig.Shot, _rig.In(packet).ReturnValue);
        Assert.Single(_ring.Consume());
        _rig.ExpectCounters($"in refused_unknown_vtep={refused + 1}");
    }

    private static byte[] Packet(string outer, string inner)
    {
        var tunnel = Nodes.Outer(Nodes.Two, Nodes.One);
        var ip = Nodes.InnerIp(Nodes.Two, Nodes.One) with { Source = IPAddress.Parse(inner) };
        return (tunnel with { Ip = tunnel.Ip with { Source = IPAddress.Parse(outer) } })
            .Around(Nodes.Inner(Nodes.Two, Nodes.One).Around(ip.Around(Transport.UdpDatagram([1, 2, 3]))));
    }

    // CLOCK_MONOTONIC, as the programs read it; .NET's clock on Linux.
    private static ulong Now() => (ulong)(Stopwatch.GetTimestamp() * (1_000_000_000 / Stopwatch.Frequency));
}
