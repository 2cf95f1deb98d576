using System.Net;

namespace Accelerated.Agent.Node;

/// <summary>How the operator says which interface carries the underlay.</summary>
/// <param name="Interfaces"><c>--iface</c>: names or addresses, in order of preference.</param>
/// <param name="Patterns"><c>--iface-regex</c>: tried on addresses first, then on names, unanchored.</param>
/// <param name="CanReach"><c>--iface-can-reach</c>: the interface a route look-up for this address names.</param>
/// <param name="PublicIP"><c>--public-ip</c>: what peers are told, also when NAT stands between.</param>
public sealed record UnderlayOptions(
    IReadOnlyList<string> Interfaces, IReadOnlyList<string> Patterns, IPAddress? CanReach, IPAddress? PublicIP);
