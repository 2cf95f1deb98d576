using System.Collections.Immutable;
using System.Net;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.State;

/// <summary>Who may send VXLAN to the node, on one port and VNI. Whatever else comes in on the port is none of the guard's business.</summary>
/// <param name="Mode">How strictly it judges now: at most observing before a whole, confirmed snapshot of the leases is in.</param>
/// <param name="Device">Our vxlan device, where packets come out of the tunnel.</param>
/// <param name="Vni">VXLAN network identifier.</param>
/// <param name="Port">UDP port.</param>
/// <param name="UnderlayIndex">ifindex of the interface peers send to.</param>
/// <param name="Vteps">Underlay addresses of the peers, in the order of their subnets.</param>
/// <param name="Allowed">Further senders (<c>--guard-allow</c>), none inside another.</param>
public sealed record GuardSpec(
    OverlayGuard Mode, string Device, uint Vni, int Port, int UnderlayIndex, ImmutableArray<IPAddress> Vteps, ImmutableArray<IPNetwork> Allowed);
