using Accelerated.Agent.Datapath;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Datapath;

/// <summary>
/// The kernel's IPv4 tables that the datapath writes, in memory. Requests are decoded from the bytes that would go to the kernel and
/// carried out as it does: what a replace replaces and what a delete matches is from net/ipv4/fib_trie.c, net/ipv4/devinet.c,
/// net/core/neighbour.c and drivers/net/vxlan/vxlan_core.c of Linux 6.18. What is no success there is an exception here.
/// </summary>
internal sealed class KernelModel
{
    internal const int Device = 5;
    internal const int Underlay = 2;

    internal List<InterfaceAddress> Addresses { get; } = [];

    /// <summary>Of routes with one destination, metric and table the first in this list is in use.</summary>
    internal List<Route> Routes { get; } = [];

    internal List<Neighbour> Neighbours { get; } = [];

    /// <summary>One entry per remote. Only the zero address and groups can have several.</summary>
    internal List<FdbEntry> Fdb { get; } = [];

    /// <summary>What <see cref="KernelState.Read"/> would find.</summary>
    internal KernelState Read()
    {
        var main = Routes.Where(r => r.Table == RouteTable.Main).ToList();
        return new KernelState(
            [.. Addresses],
            [.. main.Where(r => r.InterfaceIndex == Device || r.IsMultipath)],
            [.. main.Where(r => r.InterfaceIndex == Underlay || r.IsMultipath || r.Protocol == RouteProtocol.Accelerated).Where(r => r.InterfaceIndex != Device)],
            [.. Neighbours],
            [.. Fdb.Where(e => (e.Flags & NeighbourFlags.Self) != 0)]);
    }

    internal IReadOnlyList<KernelChange> Plan(OverlayNetwork overlay, bool mayPrune) => RoutingPlan.Between(overlay, Device, Read(), mayPrune);

    internal IReadOnlyList<KernelChange> Plan(OverlayDevice device, bool mayPrune) => Plan(Overlay.Network(device), mayPrune);

    internal void Execute(IEnumerable<KernelChange> plan)
    {
        foreach (var change in plan)
            Execute(change.Request);
    }

    internal void Execute(RouteRequest request)
    {
        var payload = request.Payload;
        switch (request.Type)
        {
            case Rtnl.RTM_NEWADDR:
                Add(AddressMessages.Decode(payload)!);
                break;
            case Rtnl.RTM_DELADDR:
                Delete(AddressMessages.Decode(payload)!);
                break;
            case Rtnl.RTM_NEWROUTE:
                Replace(RouteMessages.Decode(payload)!);
                break;
            case Rtnl.RTM_DELROUTE:
                Delete(RouteMessages.Decode(payload)!);
                break;
            case Rtnl.RTM_NEWNEIGH when NeighbourMessages.DecodeFdb(payload) is { } entry:
                Replace(entry);
                break;
            case Rtnl.RTM_DELNEIGH when NeighbourMessages.DecodeFdb(payload) is { } entry:
                Delete(entry);
                break;
            case Rtnl.RTM_NEWNEIGH:
                var neighbour = NeighbourMessages.DecodeNeighbour(payload)!;
                Neighbours.RemoveAll(n => Same(n, neighbour));
                Neighbours.Add(neighbour);
                break;
            case Rtnl.RTM_DELNEIGH:
                var gone = NeighbourMessages.DecodeNeighbour(payload)!;
                Neighbours.RemoveAll(n => Same(n, gone));
                break;
            default:
                throw new NotSupportedException(request.Description);
        }
    }

    /// <summary>devinet.c: an address of the same prefix after another is a secondary one.</summary>
    internal void Add(InterfaceAddress address)
    {
        if (Addresses.Any(a => SamePrefix(a, address) && a.Address.Equals(address.Address)))
            return;
        var secondary = Addresses.Any(a => SamePrefix(a, address));
        Addresses.Add(address with { Flags = secondary ? 0x81u : 0x80u });
    }

    /// <summary>ip route append: behind those of the same destination, metric and table, which plain replacing cannot do.</summary>
    internal void Append(Route route) => Routes.Add(route);

    private void Delete(InterfaceAddress address)
    {
        var index = Addresses.FindIndex(a => SamePrefix(a, address) && a.Address.Equals(address.Address));
        if (index < 0)
            return;
        var isPrimary = !Addresses[index].IsSecondary;
        Addresses.RemoveAt(index);
        if (isPrimary)
            Addresses.RemoveAll(a => SamePrefix(a, address));
    }

    private void Replace(Route route)
    {
        var first = Routes.FindIndex(r => r.Destination.Equals(route.Destination) && r.Priority == route.Priority && r.Table == route.Table);
        var same = Routes.IndexOf(route);
        if (first < 0)
            Routes.Add(route);
        else if (same < 0)
            Routes[first] = route;
        else if (same != first)
            throw new InvalidOperationException($"EEXIST: {route}");
    }

    private void Delete(Route wanted)
    {
        // Lower metrics come first.
        var match = Routes.Where(r =>
            r.Destination.Equals(wanted.Destination) && r.Table == wanted.Table && r.Type == wanted.Type && r.Scope == wanted.Scope && !r.IsMultipath
            && (wanted.Protocol == 0 || r.Protocol == wanted.Protocol)
            && (wanted.Priority == 0 || r.Priority == wanted.Priority)
            && (wanted.PreferredSource is null || wanted.PreferredSource.Equals(r.PreferredSource))
            && (wanted.InterfaceIndex == 0 || r.InterfaceIndex == wanted.InterfaceIndex)
            && (wanted.Gateway is null || wanted.Gateway.Equals(r.Gateway))).MinBy(r => r.Priority);
        if (match is not null)
            Routes.RemoveAt(Routes.IndexOf(match));
    }

    private void Replace(FdbEntry entry)
    {
        if (!entry.Address.IsUnicast || entry.Address.IsZero)
            throw new InvalidOperationException($"EOPNOTSUPP: {entry}");
        var index = Fdb.FindIndex(e => e.Address == entry.Address && e.InterfaceIndex == entry.InterfaceIndex);
        if (index < 0)
            Fdb.Add(entry);
        else
            Fdb[index] = entry;
    }

    private void Delete(FdbEntry entry)
    {
        var index = Fdb.FindIndex(e => e.Address == entry.Address && e.InterfaceIndex == entry.InterfaceIndex
            && (entry.Destination is null || (entry.Destination.Equals(e.Destination) && e.Port == entry.Port && e.Vni == entry.Vni)));
        if (index >= 0)
            Fdb.RemoveAt(index);
    }

    private static bool SamePrefix(InterfaceAddress a, InterfaceAddress b) =>
        a.InterfaceIndex == b.InterfaceIndex && a.PrefixLength == b.PrefixLength && IPMath.Mask(a.Peer ?? a.Address, a.PrefixLength).Contains(b.Peer ?? b.Address);

    private static bool Same(Neighbour a, Neighbour b) => a.InterfaceIndex == b.InterfaceIndex && a.Address.Equals(b.Address);
}
