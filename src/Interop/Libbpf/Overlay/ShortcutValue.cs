using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>The one entry of the shortcut map, under key 0: the terms on which lane 2 carries a packet (struct shortcut_value of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
public struct ShortcutValue
{
    /// <summary>CLOCK_MONOTONIC in nanoseconds: from then on the lane is closed, unless the agent says otherwise first.</summary>
    [FieldOffset(0)]
    public ulong OpenUntil;

    /// <summary>Bits of the conntrack mark that are looked at, for the original direction and for the reply.</summary>
    [FieldOffset(8)]
    public DirectionPair AcceptMask;

    /// <summary>What those bits must be.</summary>
    [FieldOffset(16)]
    public DirectionPair AcceptValue;

    /// <summary>Jiffies: with less left for a TCP connection, conntrack has to see a packet.</summary>
    [FieldOffset(24)]
    public uint TcpRefresh;

    /// <summary>The same for UDP.</summary>
    [FieldOffset(28)]
    public uint UdpRefresh;

    /// <summary>MTU of the vxlan device, in bytes.</summary>
    [FieldOffset(32)]
    public uint Mtu;

    /// <summary>When the lane may carry a packet.</summary>
    [FieldOffset(36)]
    public OverlayShortcut Mode;

    /// <summary>Zero.</summary>
    [FieldOffset(37)]
    public OverlayPadding Reserved;
}
