using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Datapath;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Reconcile;

/// <summary>
/// Has the shortcut know a container before its first packet, which the CNI plugin asks for. The agent finds containers by the host's
/// neighbours, and a container that has sent nothing yet is none: the kernel is asked to find it, and then the loop to look.
/// </summary>
public sealed class ContainerLook(IDatapath datapath, InputStore store, ReconcileLoop loop, TimeProvider time)
{
    /// <summary>A container has one address, or one for each network; more is no question of a plugin.</summary>
    private const int MostAddresses = 8;

    private const ushort Unresolved = NeighbourState.Incomplete | NeighbourState.Failed | NeighbourState.NoArp;

    /// <summary>The plugin, and the container behind it, wait a little longer than this and not at all after it.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(150);

    /// <summary>An answer comes in a fraction of this, or the container is not there.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);

    /// <summary>Looks; gives what the shortcut knows of those addresses then. Nothing, and at once, without lanes.</summary>
    public async Task<IReadOnlyList<ContainerStatus>> LookAsync(IReadOnlyList<string> addresses, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        if (!datapath.HasLanes || store.Current.Own is not { } own)
            return [];
        var subnet = own.Lease.Key.IPv4;
        var wanted = addresses.Take(MostAddresses)
            .Select(a => IPAddress.TryParse(a, out var address) && subnet.Contains(address) ? address : null).OfType<IPAddress>().ToList();
        if (wanted.Count == 0)
            return [];
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            await ResolveAsync(wanted, either.Token).ConfigureAwait(false);
            await loop.ReconcileAsync().WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Busy: it is looked at all the same, after the answer.
        }

        var names = wanted.Select(a => a.ToString()).ToHashSet();
        return [.. datapath.Containers.Where(c => names.Contains(c.Address))];
    }

    /// <summary>Has the kernel ask who has the addresses; the answer also tells a bridge the port.</summary>
    private async Task ResolveAsync(List<IPAddress> addresses, CancellationToken cancellation)
    {
        try
        {
            using var routes = RouteSocket.Open();
            var open = new List<(IPAddress Address, int Interface)>();
            foreach (var address in addresses)
            {
                if (routes.LookUpRoute(address) is not { Type: RouteType.Unicast } route)
                    continue;
                // What is known may be of a container that had the address before: the kernel would ask again only after a while.
                foreach (var known in routes.GetNeighbours(AddressFamily.InterNetwork, route.InterfaceIndex).Where(n => n.Address.Equals(address) && !n.IsPermanent).ToList())
                    routes.Execute(RouteRequest.DeleteNeighbour(known));
                routes.Execute(RouteRequest.ResolveNeighbour(address, route.InterfaceIndex));
                open.Add((address, route.InterfaceIndex));
            }

            for (var until = time.GetUtcNow() + AnswerLimit; open.Count > 0 && time.GetUtcNow() < until;)
            {
                foreach (var known in open.Select(o => o.Interface).Distinct().SelectMany(i => routes.GetNeighbours(AddressFamily.InterNetwork, i)).Where(n => (n.State & Unresolved) == 0 && n.LinkAddress is not null).ToList())
                    open.RemoveAll(o => o.Address.Equals(known.Address) && o.Interface == known.InterfaceIndex);
                if (open.Count > 0)
                    await Task.Delay(Pause, time, cancellation).ConfigureAwait(false);
            }
        }
        catch (NativeException)
        {
            // ignoring: the container's own first packet tells as well.
        }
    }
}
