using System.Net;
using System.Net.Sockets;

namespace Accelerated.Interop.Netlink;

/// <summary>An address of an interface (<c>ip address</c>).</summary>
/// <param name="InterfaceIndex">The interface's ifindex.</param>
/// <param name="Address">The address of this host (IFA_LOCAL, or IFA_ADDRESS where there is no peer).</param>
/// <param name="PrefixLength">The length of the on-link prefix around <paramref name="Peer"/>, or around <paramref name="Address"/>.</param>
/// <param name="Scope">See <see cref="RouteScope"/>.</param>
/// <param name="Flags">IFA_F_* bits (linux/if_addr.h). Of them only what a user may set goes to the kernel.</param>
/// <param name="Label">IPv4 alias label; null leaves it to the kernel, which then uses the interface's name.</param>
/// <param name="Peer">The other end of a point-to-point address; null for the usual kind.</param>
public sealed record InterfaceAddress(
    int InterfaceIndex,
    IPAddress Address,
    int PrefixLength,
    byte Scope = RouteScope.Universe,
    uint Flags = 0,
    string? Label = null,
    IPAddress? Peer = null)
{
    private const uint SecondaryOrTemporary = 0x01;

    /// <summary>Whether it does not expire (IFA_F_PERMANENT).</summary>
    public bool IsPermanent => (Flags & 0x80) != 0;

    /// <summary>Whether new connections should not use it (IFA_F_DEPRECATED).</summary>
    public bool IsDeprecated => (Flags & 0x20) != 0;

    /// <summary>Whether it is still, or for good, barred by duplicate address detection (IFA_F_TENTATIVE, IFA_F_DADFAILED).</summary>
    public bool IsTentative => (Flags & 0x48) != 0;

    /// <summary>Whether it is a privacy address of RFC 8981 (IPv6 only).</summary>
    public bool IsTemporary => (Flags & SecondaryOrTemporary) != 0 && Address.AddressFamily == AddressFamily.InterNetworkV6;

    /// <summary>Whether it follows another address of the same prefix and may vanish with that (IPv4 only; the same bit as temporary).</summary>
    public bool IsSecondary => (Flags & SecondaryOrTemporary) != 0 && Address.AddressFamily == AddressFamily.InterNetwork;
}
