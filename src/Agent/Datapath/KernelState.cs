using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath;

/// <summary>What the kernel has for one overlay: read, never remembered.</summary>
/// <param name="Addresses">Addresses on the device, of the overlay's family.</param>
/// <param name="DeviceRoutes">Main-table routes out of the device.</param>
/// <param name="OtherRoutes">Main-table routes elsewhere that could be ours: with our protocol, or out of the underlay interface.</param>
/// <param name="Neighbours">Neighbours on the device.</param>
/// <param name="Fdb">The device's own forwarding entries.</param>
public sealed record KernelState(
    IReadOnlyList<InterfaceAddress> Addresses,
    IReadOnlyList<Route> DeviceRoutes,
    IReadOnlyList<Route> OtherRoutes,
    IReadOnlyList<Neighbour> Neighbours,
    IReadOnlyList<FdbEntry> Fdb)
{
    /// <summary>Reads everything that concerns an overlay; the kernel filters, so foreign entries cost nothing.</summary>
    /// <param name="routes">Socket to ask by.</param>
    /// <param name="overlay">The overlay.</param>
    /// <param name="deviceIndex">ifindex of its VTEP device, or 0 when there is none.</param>
    public static KernelState Read(RouteSocket routes, OverlayNetwork overlay, int deviceIndex)
    {
        var family = overlay.Family;
        // Two filters the kernel can apply; a route that passes both is listed once.
        var elsewhere = routes.GetRoutes(new RouteFilter(family, InterfaceIndex: overlay.UnderlayIndex)).ToHashSet();
        elsewhere.UnionWith(routes.GetRoutes(new RouteFilter(family, Protocol: RouteProtocol.Accelerated)));
        if (deviceIndex == 0)
            return new KernelState([], [], [.. elsewhere], [], []);
        return new KernelState(
            routes.GetAddresses(family, deviceIndex),
            routes.GetRoutes(new RouteFilter(family, InterfaceIndex: deviceIndex)),
            elsewhere.Where(r => r.InterfaceIndex != deviceIndex).ToList(),
            routes.GetNeighbours(family, deviceIndex),
            routes.GetFdb(deviceIndex).Where(e => (e.Flags & NeighbourFlags.Self) != 0).ToList());
    }
}
