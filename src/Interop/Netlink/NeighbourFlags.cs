namespace Accelerated.Interop.Netlink;

/// <summary>Flags of a neighbour or FDB entry (linux/neighbour.h NTF_*).</summary>
public static class NeighbourFlags
{
    /// <summary>In a request: find out the hardware address now, as for a packet that is to be sent.</summary>
    public const byte Use = 0x01;

    /// <summary>The entry is in the device's own table (a vxlan device's FDB).</summary>
    public const byte Self = 0x02;

    /// <summary>The entry is in the table of the device's bridge.</summary>
    public const byte Master = 0x04;

    /// <summary>Answer for this address.</summary>
    public const byte Proxy = 0x08;

    /// <summary>Learnt or managed by an outside control plane.</summary>
    public const byte ExternallyLearned = 0x10;

    /// <summary>The neighbour is a router (IPv6).</summary>
    public const byte Router = 0x80;
}
