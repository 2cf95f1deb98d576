using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Value of the endpoints map: where a container of this host is attached (struct endpoint_value of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
public struct EndpointValue
{
    /// <summary>The host's end of its veth.</summary>
    [FieldOffset(0)]
    public uint Ifindex;

    /// <summary>The container's hardware address.</summary>
    [FieldOffset(4)]
    public OverlayMac Mac;

    /// <summary>The address its routed frames go to: of the bridge, or of the host's end of the veth.</summary>
    [FieldOffset(10)]
    public OverlayMac GatewayMac;

    /// <summary>The longest IP packet that reaches it, in bytes.</summary>
    [FieldOffset(16)]
    public uint Mtu;

    /// <summary>1 if it passes packets on, or has tunnels of its own: it gets no aggregates by lane 2.</summary>
    [FieldOffset(20)]
    public byte Forwards;

    /// <summary>Zero.</summary>
    [FieldOffset(21)]
    public OverlayPadding Reserved;

    /// <summary>CLOCK_MONOTONIC in nanoseconds: when a packet of it goes the long way next. Kept by the programs.</summary>
    [FieldOffset(24)]
    public ulong SlowOutAt;

    /// <summary>The same for packets to it.</summary>
    [FieldOffset(32)]
    public ulong SlowInAt;
}
