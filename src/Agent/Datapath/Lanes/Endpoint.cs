using System.Net;
using Accelerated.Interop;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>A container of this host that lane 2 can reach.</summary>
/// <param name="Address">Its overlay address.</param>
/// <param name="Port">ifindex of the host's end of its veth.</param>
/// <param name="PortName">Name of that end.</param>
/// <param name="Gateway">Name of the interface that routes for it: its bridge, or the host's end itself.</param>
/// <param name="GatewayIndex">ifindex of that interface.</param>
/// <param name="Mac">The container's hardware address.</param>
/// <param name="GatewayMac">Hardware address of the gateway.</param>
/// <param name="Mtu">The longest IP packet on the way to it, in bytes.</param>
/// <param name="Forwards">Whether it passes packets on or has tunnels of its own.</param>
public sealed record Endpoint(
    IPAddress Address, int Port, string PortName, string Gateway, int GatewayIndex, MacAddress Mac, MacAddress GatewayMac, int Mtu, bool Forwards);
