using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>What other people's chains have to let through. Equal as long as peers only come and go.</summary>
/// <param name="Family">Address family of the overlay.</param>
/// <param name="Network">The whole overlay network.</param>
/// <param name="Subnet">The node's own subnet.</param>
/// <param name="Underlay">Name of the underlay interface.</param>
/// <param name="Device">The VTEP device, without its peers; null where no packet is encapsulated.</param>
/// <param name="IsDirect">Whether plain routes lead to some peers, so that their packets come and go by the underlay interface as they are.</param>
/// <param name="Forward">Accept what goes between containers here and elsewhere (<c>--iptables-forward-rules</c>).</param>
/// <param name="Port">What to do about our UDP port.</param>
public sealed record ForeignSpec(
    AddressFamily Family, IPNetwork Network, IPNetwork Subnet, string Underlay, OverlayDevice? Device, bool IsDirect, bool Forward, PortOpening Port)
{
    /// <summary>The interfaces by which packets of containers on other hosts come and go.</summary>
    public IEnumerable<string> Interfaces => [.. Device is null ? (string[])[] : [Device.Name], .. IsDirect ? (string[])[Underlay] : []];

    /// <summary>What a state asks for.</summary>
    /// <param name="desired">The state.</param>
    /// <param name="options">What the operator asked for.</param>
    /// <param name="isGuarded">Whether our own table, and the guard in it, is in the kernel.</param>
    public static ForeignSpec Of(DesiredState desired, FirewallOptions options, bool isGuarded)
    {
        var overlay = desired.Overlays[0];
        var port = Opening(desired, options, isGuarded);
        return new ForeignSpec(
            overlay.Family, overlay.Network, overlay.Subnet, overlay.Underlay, overlay.Device is { } device ? device with { Peers = [] } : null,
            overlay.IsHostGw || !overlay.Direct.IsEmpty, options.AcceptForwarded, port);
    }

    /// <summary>What is to become of our UDP port where others refuse it.</summary>
    /// <param name="desired">What is wanted.</param>
    /// <param name="options">What the flags say.</param>
    /// <param name="isGuarded">Whether our own rules are in place.</param>
    public static PortOpening Opening(DesiredState desired, FirewallOptions options, bool isGuarded)
    {
        ArgumentNullException.ThrowIfNull(desired);
        ArgumentNullException.ThrowIfNull(options);
        return !options.OpenPort ? PortOpening.Declined
            : options.Guard is OverlayGuard.Off or OverlayGuard.Observe ? PortOpening.Unguarded
            : isGuarded && desired.Firewall.Guard.Mode is OverlayGuard.Vtep or OverlayGuard.Strict ? PortOpening.Open
            : PortOpening.Keep;
    }
}
