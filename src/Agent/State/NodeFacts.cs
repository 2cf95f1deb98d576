using System.Net;
using Accelerated.Interop;

namespace Accelerated.Agent.State;

/// <summary>What the kernel says about the node's side of the underlay.</summary>
/// <param name="Interface">Name of the underlay interface.</param>
/// <param name="InterfaceIndex">Its ifindex.</param>
/// <param name="LinkAddress">Its MAC address, or null where it has none.</param>
/// <param name="Mtu">Its MTU, bytes.</param>
/// <param name="Address">Its IPv4 address: the source of our outer packets, whatever <c>--public-ip</c> says.</param>
/// <param name="PrefixLength">Prefix length of that address.</param>
/// <param name="AddressV6">Its IPv6 address, or null.</param>
/// <param name="IsUp">The interface is administratively up.</param>
/// <param name="OnLink">Hosts that it reaches without a gateway.</param>
/// <param name="Forwards">The node forwards IPv4 packets (<c>net.ipv4.ip_forward</c>).</param>
public sealed record NodeFacts(
    string Interface, int InterfaceIndex, MacAddress? LinkAddress, int Mtu, IPAddress Address, int PrefixLength, IPAddress? AddressV6, bool IsUp, OnLinkPrefixes OnLink, bool Forwards);
