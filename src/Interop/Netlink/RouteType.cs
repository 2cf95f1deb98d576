namespace Accelerated.Interop.Netlink;

/// <summary>What a route does with a packet (linux/rtnetlink.h RTN_*).</summary>
public enum RouteType
{
    /// <summary>Not given.</summary>
    Unspecified = 0,

    /// <summary>Send it to the gateway or the link.</summary>
    Unicast = 1,

    /// <summary>It is for this host.</summary>
    Local = 2,

    /// <summary>It is for this host, as broadcast.</summary>
    Broadcast = 3,

    /// <summary>It is for this host, as anycast.</summary>
    Anycast = 4,

    /// <summary>Send it to a group.</summary>
    Multicast = 5,

    /// <summary>Drop it without a word.</summary>
    Blackhole = 6,

    /// <summary>Drop it, answer "host unreachable".</summary>
    Unreachable = 7,

    /// <summary>Drop it, answer "administratively prohibited".</summary>
    Prohibit = 8,

    /// <summary>Look in the next table.</summary>
    Throw = 9,
}
