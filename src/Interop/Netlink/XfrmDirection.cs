namespace Accelerated.Interop.Netlink;

/// <summary>Which packets an IPsec policy is asked about (linux/xfrm.h XFRM_POLICY_*).</summary>
public enum XfrmDirection
{
    /// <summary>What this host receives.</summary>
    In = 0,

    /// <summary>What this host sends, its own and what it forwards.</summary>
    Out = 1,

    /// <summary>What this host forwards, on arrival.</summary>
    Forward = 2,
}
