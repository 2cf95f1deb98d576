namespace Accelerated.Interop.Netfilter;

/// <summary>Which packets a table sees (linux/netfilter.h NFPROTO_*).</summary>
public enum FilterFamily
{
    /// <summary>IPv4 and IPv6.</summary>
    Inet = 1,

    /// <summary>IPv4.</summary>
    IPv4 = 2,

    /// <summary>ARP.</summary>
    Arp = 3,

    /// <summary>Everything on the interfaces a chain names.</summary>
    Netdev = 5,

    /// <summary>Frames that a bridge forwards.</summary>
    Bridge = 7,

    /// <summary>IPv6.</summary>
    IPv6 = 10,
}
