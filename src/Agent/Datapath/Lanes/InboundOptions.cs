using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>What the lanes do with packets that come in.</summary>
/// <param name="TunnelIn">Lane 1.</param>
/// <param name="EarlyIn">Lane 3.</param>
/// <param name="UnderlayMac">Hardware address of the interface they come in by; null where it has none, and then lane 3 knows no packet of ours.</param>
internal readonly record struct InboundOptions(OverlayTunnelIn TunnelIn, OverlayEarlyIn EarlyIn, MacAddress? UnderlayMac);
