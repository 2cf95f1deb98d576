using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Record of the refusals ring buffer: a packet that the guard refused (struct refusal of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
public struct RefusalSample
{
    /// <summary>When, CLOCK_MONOTONIC in nanoseconds.</summary>
    [FieldOffset(0)]
    public ulong At;

    /// <summary>Who sent it: the underlay address.</summary>
    [FieldOffset(8)]
    public OverlayAddress OuterSource;

    /// <summary>Who the packet inside says sent it; zero unless that is IPv4.</summary>
    [FieldOffset(24)]
    public OverlayAddress InnerSource;

    /// <summary>Who the packet inside is for; zero unless that is IPv4.</summary>
    [FieldOffset(40)]
    public OverlayAddress InnerDestination;

    /// <summary>Bytes of the outer frame.</summary>
    [FieldOffset(56)]
    public uint Length;

    /// <summary>Ethertype of the frame inside.</summary>
    [FieldOffset(60)]
    public ushort InnerType;

    /// <summary>IP protocol of the packet inside; zero unless that is IPv4.</summary>
    [FieldOffset(62)]
    public byte InnerProtocol;

    /// <summary>Why.</summary>
    [FieldOffset(63)]
    public RefusalReason Reason;

    /// <summary>1 if it was dropped, 0 if the guard only observed.</summary>
    [FieldOffset(64)]
    public byte Dropped;

    /// <summary>Zero.</summary>
    [FieldOffset(65)]
    public OverlayPadding Reserved;

    /// <summary>The interface it came in by.</summary>
    [FieldOffset(68)]
    public uint Ifindex;
}
