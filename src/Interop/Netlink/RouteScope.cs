namespace Accelerated.Interop.Netlink;

/// <summary>How far a destination or address reaches (linux/rtnetlink.h RT_SCOPE_*). IPv6 routes always say <see cref="Universe"/>.</summary>
public static class RouteScope
{
    /// <summary>Anywhere: routes with a gateway, ordinary addresses.</summary>
    public const byte Universe = 0;

    /// <summary>Within the site.</summary>
    public const byte Site = 200;

    /// <summary>On the link: IPv4 routes without a gateway.</summary>
    public const byte Link = 253;

    /// <summary>On this host.</summary>
    public const byte Host = 254;
}
