namespace Accelerated.Interop.Netlink;

/// <summary>States of a neighbour or FDB entry (linux/neighbour.h NUD_*), which are bits.</summary>
public static class NeighbourState
{
    /// <summary>Being resolved.</summary>
    public const ushort Incomplete = 0x01;

    /// <summary>Confirmed a moment ago.</summary>
    public const ushort Reachable = 0x02;

    /// <summary>Known, not confirmed lately.</summary>
    public const ushort Stale = 0x04;

    /// <summary>Waiting before it is probed.</summary>
    public const ushort Delay = 0x08;

    /// <summary>Being probed.</summary>
    public const ushort Probe = 0x10;

    /// <summary>Could not be resolved.</summary>
    public const ushort Failed = 0x20;

    /// <summary>Needs no resolution; in an FDB: not aged.</summary>
    public const ushort NoArp = 0x40;

    /// <summary>Set by hand; never expires.</summary>
    public const ushort Permanent = 0x80;
}
