using System.Net.Sockets;

namespace Accelerated.Interop.Netlink;

/// <summary>Which routes a dump is about. The kernel filters (strict dumps, Linux 4.20); what it leaves in, the library drops.</summary>
/// <param name="Family">InterNetwork, InterNetworkV6, or Unspecified for both.</param>
/// <param name="Table">One table, or null for all.</param>
/// <param name="InterfaceIndex">Routes out of one interface (multipath routes with one hop over it included), or null for all.</param>
/// <param name="Protocol">Routes of one maker, or null for all.</param>
public sealed record RouteFilter(
    AddressFamily Family = AddressFamily.Unspecified,
    uint? Table = RouteTable.Main,
    int? InterfaceIndex = null,
    byte? Protocol = null);
