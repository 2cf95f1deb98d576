namespace Accelerated.Interop.Netlink;

/// <summary>A link's operational state (RFC 2863, linux/if.h IF_OPER_*).</summary>
public enum OperState
{
    /// <summary>The driver does not say: the normal state of loopback, vxlan and tunnels.</summary>
    Unknown = 0,

    /// <summary>The device is not present.</summary>
    NotPresent = 1,

    /// <summary>Down, or without carrier.</summary>
    Down = 2,

    /// <summary>The device below is down.</summary>
    LowerLayerDown = 3,

    /// <summary>In a test.</summary>
    Testing = 4,

    /// <summary>Up, but waiting for something outside, such as 802.1X.</summary>
    Dormant = 5,

    /// <summary>Ready to pass packets.</summary>
    Up = 6,
}
