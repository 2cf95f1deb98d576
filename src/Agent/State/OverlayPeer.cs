using System.Net;
using Accelerated.Interop;

namespace Accelerated.Agent.State;

/// <summary>Another node's subnet that is reached by VXLAN, ready to be programmed.</summary>
/// <param name="Key">Its lease's key text, the name to report it under.</param>
/// <param name="Subnet">The subnet behind it.</param>
/// <param name="Vtep">Overlay address of its VTEP device: the subnet's network address, as in flannel.</param>
/// <param name="VtepMac">MAC address of its VTEP device.</param>
/// <param name="Remote">Underlay address that its VXLAN packets go to.</param>
public sealed record OverlayPeer(string Key, IPNetwork Subnet, IPAddress Vtep, MacAddress VtepMac, IPAddress Remote);
