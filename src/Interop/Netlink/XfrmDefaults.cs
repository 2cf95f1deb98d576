namespace Accelerated.Interop.Netlink;

/// <summary>What happens to packets that no policy matches (<c>ip xfrm policy getdefault</c>, Linux 5.15).</summary>
/// <param name="BlocksIn">What this host receives is dropped.</param>
/// <param name="BlocksForward">What this host forwards is dropped.</param>
/// <param name="BlocksOut">What this host sends is dropped.</param>
public readonly record struct XfrmDefaults(bool BlocksIn, bool BlocksForward, bool BlocksOut);
