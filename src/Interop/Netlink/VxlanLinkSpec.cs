namespace Accelerated.Interop.Netlink;

/// <summary>A vxlan device to be made.</summary>
/// <param name="Name">Its name, at most 15 bytes.</param>
/// <param name="Parameters">How it encapsulates.</param>
/// <param name="Address">Its hardware address, the VTEP MAC.</param>
/// <param name="Mtu">Its MTU; the kernel lowers it to what fits the underlay device (less 50, or 70 over IPv6) without a word.</param>
public sealed record VxlanLinkSpec(string Name, VxlanParameters Parameters, MacAddress Address, int Mtu);
