namespace Accelerated.Interop.Netlink;

/// <summary>Routing tables every host has (linux/rtnetlink.h RT_TABLE_*).</summary>
public static class RouteTable
{
    /// <summary>The last one asked; normally empty.</summary>
    public const uint Default = 253;

    /// <summary>Where routes go if no table is named.</summary>
    public const uint Main = 254;

    /// <summary>The kernel's own: local and broadcast addresses.</summary>
    public const uint Local = 255;
}
