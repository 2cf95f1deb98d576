using System.Net;

namespace Accelerated.Interop.Netlink;

/// <summary>An IPsec policy: which packets must be transformed, may pass as they are, or are dropped (<c>ip xfrm policy</c>).</summary>
/// <param name="Direction">Which packets are asked about.</param>
/// <param name="Blocks">Whether matching packets are dropped.</param>
/// <param name="Transforms">Whether it names transformations (ESP, AH …) that matching packets must go, or have come, through.</param>
/// <param name="Priority">The lowest number decides.</param>
/// <param name="Source">Source addresses; a prefix of length 0 for all.</param>
/// <param name="Destination">Destination addresses.</param>
/// <param name="Protocol">IP protocol number; 0 for all.</param>
/// <param name="SourcePort">Source port; null for all or for some that only differ in a mask.</param>
/// <param name="DestinationPort">Destination port likewise.</param>
/// <param name="InterfaceIndex">The interface a packet must leave or arrive by; 0 for all.</param>
/// <param name="InterfaceId">The xfrm interface it is for (<c>if_id</c>), whose packets alone it concerns; 0 for none.</param>
/// <param name="Mark">Value and mask a packet's mark must have; null for any.</param>
/// <param name="Index">The kernel's number for it.</param>
public sealed record XfrmPolicy(
    XfrmDirection Direction,
    bool Blocks,
    bool Transforms,
    uint Priority,
    IPNetwork Source,
    IPNetwork Destination,
    byte Protocol,
    ushort? SourcePort,
    ushort? DestinationPort,
    int InterfaceIndex,
    uint InterfaceId,
    (uint Value, uint Mask)? Mark,
    uint Index);
