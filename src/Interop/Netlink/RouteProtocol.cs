namespace Accelerated.Interop.Netlink;

/// <summary>Who made a route (rtm_protocol). The kernel keeps the number and filters by it, and gives 4 and up no meaning.</summary>
public static class RouteProtocol
{
    /// <summary>The kernel: prefixes of addresses.</summary>
    public const byte Kernel = 2;

    /// <summary>Made at boot; what <c>ip route</c> and flannel use when told nothing.</summary>
    public const byte Boot = 3;

    /// <summary>Made by the administrator.</summary>
    public const byte Static = 4;

    /// <summary>Made by this product.</summary>
    /// <remarks>
    /// No registry uses 143. Taken are: 0–4, 8–18, 42, 84 (OVN), 99, 186–189 and 192 in linux/rtnetlink.h (6.15) and iproute2's
    /// rt_protos; 191 and 193–198 in FRR; 80 in Calico. Everything from there upwards was avoided because daemons
    /// number on, everything below 100 because distributions do.
    /// </remarks>
    public const byte Accelerated = 143;
}
