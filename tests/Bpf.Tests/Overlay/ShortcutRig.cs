using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>Lane 2 as node 1 has it: open, with one container, whose veth the underlay's far end stands for. The driver decapsulates.</summary>
internal sealed class ShortcutRig : OverlayRig
{
    /// <summary>Bits of the conntrack mark: this generation's accept mark for either direction, between bits of others.</summary>
    public const uint OriginalBit = 0x0010_0000;
    public const uint ReplyBit = 0x0020_0000;
    public const uint GenerationMask = 0x0fc0_0000;
    public const uint Generation = 0x0140_0000;
    public const uint Others = 0xf000_4001;
    public const uint BothWays = Others | Generation | OriginalBit | ReplyBit;

    /// <summary>The container's MTU is less than the vxlan device's, so that a test can tell which of them counts.</summary>
    public const int ContainerMtu = 1400;
    public const int DeviceMtu = 1450;

    /// <summary>Jiffies: at 100 to 1000 of them a second, far more than <see cref="Expiring"/> and far less than ten minutes.</summary>
    private const uint Refresh = 5000;

    public static readonly TimeSpan Expiring = TimeSpan.FromSeconds(3);
    public static readonly MacAddress ContainerMac = MacAddress.Parse("02:00:0a:05:3c:02");
    public static readonly MacAddress GatewayMac = MacAddress.Parse("02:00:0a:05:3c:01");

    private readonly UnderlayNamespace _underlay;
    private readonly BpfMap _endpoints;
    private readonly BpfMap _terms;

    public ShortcutRig(UnderlayNamespace underlay)
        : base(underlay, Nodes.One, BpfCompiler.Shortcut, "shortcut", "container_out")
    {
        _underlay = underlay;
        _endpoints = Loaded.Map("endpoints");
        _terms = Loaded.Map("shortcut");
        Table = new(underlay.Path);
        Table.Clear();
        Configure(c => c with { TunnelIn = OverlayTunnelIn.Driver });
        Endpoint = new()
        {
            Ifindex = (uint)underlay.FarIndex,
            Mac = OverlayMac.From(ContainerMac),
            GatewayMac = OverlayMac.From(GatewayMac),
            Mtu = ContainerMtu,
            SlowOutAt = ulong.MaxValue,
            SlowInAt = ulong.MaxValue,
        };
        SetEndpoint(e => e);
        Terms = new()
        {
            OpenUntil = ulong.MaxValue,
            AcceptMask = DirectionPair.Of(GenerationMask | OriginalBit, GenerationMask | ReplyBit),
            AcceptValue = DirectionPair.Of(Generation | OriginalBit, Generation | ReplyBit),
            TcpRefresh = Refresh,
            UdpRefresh = Refresh,
            Mtu = DeviceMtu,
            Mode = OverlayShortcut.Established,
        };
        SetTerms(t => t);
    }

    /// <summary>What conntrack knows on the node.</summary>
    public ConnectionTable Table { get; }

    public EndpointValue Endpoint { get; private set; }

    public ShortcutValue Terms { get; private set; }

    /// <summary>A frame as the container sends it to another node's container.</summary>
    public static Ethernet FromContainer { get; } = new(GatewayMac, ContainerMac);

    /// <summary>A frame as lane 2 hands it to the container.</summary>
    public static Ethernet ToContainer { get; } = new(ContainerMac, GatewayMac);

    /// <summary>A flow between node 1's container and node 2's.</summary>
    public static Connection Flow(byte protocol, bool begunHere)
    {
        var (here, there) = (new IPEndPoint(Nodes.One.Container, 40000), new IPEndPoint(Nodes.Two.Container, 5000));
        return (begunHere ? new Connection(protocol, here, there) : new(protocol, there, here)) with { Mark = BothWays };
    }

    /// <summary>A packet on its way out of the container, before the node has routed it.</summary>
    public static Ipv4 IpOut(byte protocol) => new(Nodes.One.Container, Nodes.Two.Container, protocol) { Ttl = 64 };

    /// <summary>A packet from the other node's container, which that node has routed once.</summary>
    public static Ipv4 IpIn(byte protocol) => new(Nodes.Two.Container, Nodes.One.Container, protocol) { Ttl = 63 };

    public static byte[] Sent(Ipv4 ip, byte[] segment) => FromContainer.Around(ip.Around(segment));

    /// <summary>The inner frame of what arrives.</summary>
    public static byte[] Tunnelled(Ipv4 ip, byte[] segment) => Nodes.Inner(Nodes.Two, Nodes.One).Around(ip.Around(segment));

    public static byte[] Received(Ipv4 ip, byte[] segment, byte outerTos = 0)
    {
        var outer = Nodes.Outer(Nodes.Two, Nodes.One);
        return (outer with { Ip = outer.Ip with { Tos = outerTos } }).Around(Tunnelled(ip, segment));
    }

    /// <summary>Lane 2 takes a packet of the container: every byte is what bridge, routing and lane 1 would have made of it.</summary>
    public void ExpectTakenOut(Ipv4 ip, byte[] segment, byte outerTos = 0)
    {
        var run = Out(Sent(ip, segment));
        Assert.True(run.ReturnValue == Redirect, $"returned {run.ReturnValue}, counters {string.Join(", ", Counters)}");
        Assert.InRange(Tunnel.SourcePortOf(run.Packet), Config.SourcePortLow, Config.SourcePortHigh - 1);
        var outer = Nodes.Outer(Nodes.One, Nodes.Two);
        var routed = Nodes.Inner(Nodes.One, Nodes.Two).Around((ip with { Ttl = (byte)(ip.Ttl - 1) }).Around(segment));
        Assert.Equal((outer with { Ip = outer.Ip with { Tos = outerTos } }).VaryingAs(run.Packet).Around(routed), run.Packet);
    }

    /// <summary>Lane 2 hands a packet to the container as routing and bridge would have.</summary>
    public void ExpectTakenIn(Ipv4 ip, byte[] segment, byte outerTos = 0)
    {
        var run = In(Received(ip, segment, outerTos));
        Assert.True(run.ReturnValue == Redirect, $"returned {run.ReturnValue}, counters {string.Join(", ", Counters)}");
        Assert.Equal(ToContainer.Around((ip with { Ttl = (byte)(ip.Ttl - 1) }).Around(segment)), run.Packet);
    }

    public void ExpectPassedOut(Ipv4 ip, byte[] segment) => ExpectPassedOut(Sent(ip, segment));

    public void ExpectPassedOut(byte[] frame) => ExpectPassed(frame, Out(frame));

    /// <summary>Neither lane takes it: the driver gets what came.</summary>
    public void ExpectPassedIn(Ipv4 ip, byte[] segment, byte outerTos = 0) => ExpectPassedIn(Received(ip, segment, outerTos));

    public void ExpectPassedIn(byte[] packet) => ExpectPassed(packet, In(packet));

    public void SetEndpoint(Func<EndpointValue, EndpointValue> change)
    {
        Endpoint = change(Endpoint);
        _endpoints.Update(EndpointKey.From(Nodes.One.Container), Endpoint);
    }

    public void RemoveEndpoint() => Assert.True(_endpoints.Delete(EndpointKey.From(Nodes.One.Container)));

    public void SetTerms(Func<ShortcutValue, ShortcutValue> change)
    {
        Terms = change(Terms);
        _terms.Update(0u, Terms);
    }

    /// <summary>Runs TC ingress of the host's end of the container's veth.</summary>
    public override BpfTestRun Out(byte[] frame, int gsoSize = 0) => RunOut(frame, gsoSize, _underlay.FarIndex);

    /// <summary>Runs it as if it hung on another interface.</summary>
    public BpfTestRun OutElsewhere(byte[] frame) => RunOut(frame, 0, _underlay.UnderlayIndex);

    public override void Dispose()
    {
        Table.Clear();
        _endpoints.Dispose();
        _terms.Dispose();
        base.Dispose();
    }
}
