using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.State;
using Accelerated.Interop;

namespace Accelerated.Agent.Tests.Datapath;

/// <summary>Devices and peers for tests of plans: node 1 with 10.5.1.0/24 on an underlay of 192.0.2.0/24.</summary>
internal static class Overlay
{
    internal static OverlayDevice Device(params OverlayPeer[] peers) => new(
        AddressFamily.InterNetwork, "flannel.1", 1, 8472, KernelModel.Underlay, IPAddress.Parse("192.0.2.1"), MacAddress.Parse("02:00:00:00:00:01"),
        1450, false, false, IPNetwork.Parse("10.5.0.0/16"), IPNetwork.Parse("10.5.1.0/24"), [.. peers.OrderBy(p => IPMath.ToNumber(p.Vtep))]);

    /// <summary>The overlay with a device and, beside the peers behind it, peers that plain routes lead to.</summary>
    internal static OverlayNetwork Network(OverlayDevice device, params DirectPeer[] direct) =>
        new(device.Overlay, device.Network, device.Subnet, "eth0", device.UnderlayIndex, device, [.. direct], IsHostGw: false);

    /// <summary>Peer number 2 … 255 by a plain route.</summary>
    internal static DirectPeer Direct(int number, int? host = null)
    {
        var peer = Peer(number, host);
        return new DirectPeer(peer.Key, peer.Subnet, peer.Remote, MayEncapsulate: true);
    }

    internal static OverlayDevice DeviceV6(params OverlayPeer[] peers) => Device() with
    {
        Overlay = AddressFamily.InterNetworkV6,
        Name = "flannel-v6.1",
        Local = IPAddress.Parse("2001:db8::1"),
        Network = IPNetwork.Parse("fd00:42::/48"),
        Subnet = IPNetwork.Parse("fd00:42:0:1::/64"),
        Peers = peers.ToImmutableArray(),
    };

    /// <summary>Peer number 2 … 255: 10.5.N.0/24 on 192.0.2.N, unless said otherwise.</summary>
    internal static OverlayPeer Peer(int number, int? host = null, int? mac = null, string? subnet = null)
    {
        var network = IPNetwork.Parse(subnet ?? $"10.5.{number}.0/24");
        return new OverlayPeer(
            $"{network.BaseAddress}-{network.PrefixLength}", network, network.BaseAddress, Mac(mac ?? number), IPAddress.Parse($"192.0.2.{host ?? number}"));
    }

    internal static MacAddress Mac(int number) =>
        MacAddress.Parse(string.Create(CultureInfo.InvariantCulture, $"02:00:00:00:{number >> 8:x2}:{number & 0xff:x2}"));
}
