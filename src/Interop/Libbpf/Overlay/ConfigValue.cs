using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>The one entry of the config map, under key 0 (struct config_value of bpf/types.h). With a VNI of 0 the programs pass everything on.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
public struct ConfigValue
{
    /// <summary>The vxlan device.</summary>
    [FieldOffset(0)]
    public uint OverlayIfindex;

    /// <summary>The interface outer packets leave by.</summary>
    [FieldOffset(4)]
    public uint UnderlayIfindex;

    /// <summary>Source address of outer packets.</summary>
    [FieldOffset(8)]
    public OverlayAddress Local;

    /// <summary>Hardware address of the vxlan device.</summary>
    [FieldOffset(24)]
    public OverlayMac OverlayMac;

    /// <summary>How strictly packets that come in are judged.</summary>
    [FieldOffset(30)]
    public OverlayGuard Guard;

    /// <summary>Zero.</summary>
    [FieldOffset(31)]
    public byte Reserved;

    /// <summary>The VXLAN network identifier.</summary>
    [FieldOffset(32)]
    public uint Vni;

    /// <summary>The UDP port VXLAN is sent to and received on.</summary>
    [FieldOffset(36)]
    public ushort Port;

    /// <summary>The lowest UDP source port of outer packets.</summary>
    [FieldOffset(38)]
    public ushort SourcePortLow;

    /// <summary>The UDP source port of outer packets stays below this.</summary>
    [FieldOffset(40)]
    public ushort SourcePortHigh;

    /// <summary>What lane 1 in decapsulates.</summary>
    [FieldOffset(42)]
    public OverlayTunnelIn TunnelIn;

    /// <summary>What lane 3 does.</summary>
    [FieldOffset(43)]
    public OverlayEarlyIn EarlyIn;

    /// <summary>Hardware address of the interface outer packets come in by.</summary>
    [FieldOffset(44)]
    public OverlayMac UnderlayMac;

    /// <summary>Zero.</summary>
    [FieldOffset(50)]
    public ushort Reserved2;

    /// <summary>What the programs at TC know lane 3's work by; zero: it decapsulates nothing.</summary>
    [FieldOffset(52)]
    public OverlayCookie Cookie;

    /// <summary>The IPv4 address, in host byte order, that the first slot begins with.</summary>
    [FieldOffset(60)]
    public uint SlotsBegin;

    /// <summary>How many slots are in use; 0: none, the programs look into the map of subnets alone.</summary>
    [FieldOffset(64)]
    public uint Slots;

    /// <summary>A slot is of 2^this addresses.</summary>
    [FieldOffset(68)]
    public byte SlotShift;

    /// <summary>Zero.</summary>
    [FieldOffset(69)]
    public OverlayPadding Reserved3;
}
