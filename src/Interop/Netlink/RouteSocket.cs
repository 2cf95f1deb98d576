using System.Net;
using System.Net.Sockets;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Netlink;

/// <summary>A conversation with the kernel about links, addresses, routes, neighbours and forwarding entries (rtnetlink(7)).</summary>
/// <remarks>
/// Bound to the network namespace of the thread that opened it, for good. One caller at a time: it holds one buffer and one sequence,
/// and takes no lock. Every failure is a <see cref="NetlinkException"/>.
/// </remarks>
public sealed class RouteSocket : IDisposable
{
    // One acknowledgement takes about a kilobyte of the receive buffer, however small it is; with 128 outstanding the smallest
    // default buffer (208 KiB) holds them all, even if each carries an error text.
    private const int RequestsPerSend = 128;
    private const int BytesPerSend = 48 << 10;

    // rtnetlink answers while the request is being sent, so this is only reached when an answer was lost.
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    private readonly NetlinkSocket _socket;
    private readonly NetlinkWriter _writer = new(BytesPerSend + 4096);
    private readonly NetlinkExchange _exchange;

    private RouteSocket(NetlinkSocket socket)
    {
        _socket = socket;
        _exchange = new(socket, _writer);
    }

    /// <summary>The socket's netlink address: <see cref="RouteEvent.PortId"/> of most changes made through it.</summary>
    public uint PortId => _socket.PortId;

    /// <summary>Opens a socket in the network namespace of the calling thread. Reading needs no privilege, changing CAP_NET_ADMIN.</summary>
    public static RouteSocket Open()
    {
        var socket = NetlinkSocket.Open(Nl.NETLINK_ROUTE, "rtnetlink");
        socket.SetReceiveTimeout(AnswerTimeout);

        // Each is a comfort: without them (before Linux 4.12 and 4.20) errors have no text, echo the whole request, and the kernel does
        // not filter dumps; the code below copes with all three.
        _ = socket.TryEnable(Nl.NETLINK_EXT_ACK);
        _ = socket.TryEnable(Nl.NETLINK_CAP_ACK);
        _ = socket.TryEnable(Nl.NETLINK_GET_STRICT_CHK);
        return new(socket);
    }

    /// <summary>All links of the namespace (<c>ip -d link</c>).</summary>
    public IReadOnlyList<Link> GetLinks() =>
        _exchange.Dump("list links", Rtnl.RTM_GETLINK, Rtnl.RTM_NEWLINK, LinkMessages.Get(), LinkMessages.Decode);

    /// <summary>All links of another network namespace, as <see cref="Link.ParentNetns"/> numbers it (Linux 4.20); none when it is gone.</summary>
    /// <exception cref="NetlinkException">EACCES: CAP_NET_ADMIN over that namespace is missing.</exception>
    public IReadOnlyList<Link> GetLinksOf(int namespaceId) =>
        _exchange.Dump("list links of another namespace", Rtnl.RTM_GETLINK, Rtnl.RTM_NEWLINK, LinkMessages.GetOf(namespaceId), LinkMessages.Decode, Errno.EINVAL);

    /// <summary>The link of that name or alternative name (<c>ip -d link show NAME</c>); null when there is none.</summary>
    public Link? FindLink(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return LinkMessages.Get(name) is { } request ? FindLink($"find link {name}", request) : null;
    }

    /// <summary>The link of that index; null when there is none.</summary>
    public Link? FindLink(int index) => index > 0 ? FindLink($"find link #{index}", LinkMessages.Get(index)) : null;

    /// <summary>Addresses of all interfaces or one (<c>ip [-4|-6] address [show dev IF]</c>); none for an interface that does not exist.</summary>
    public IReadOnlyList<InterfaceAddress> GetAddresses(AddressFamily? family = null, int? interfaceIndex = null)
    {
        var native = family is { } one ? AddressFamilies.ToNative(one) : Rtnl.AF_UNSPEC;
        var all = _exchange.Dump(
            "list addresses",
            Rtnl.RTM_GETADDR,
            Rtnl.RTM_NEWADDR,
            AddressMessages.Get(native, interfaceIndex ?? 0),
            AddressMessages.Decode,
            Errno.ENODEV);

        // A kernel without IPv6 answers a dump for IPv6 with all families; one without strict dumps ignores the interface.
        all.RemoveAll(a => (family is { } f && a.Address.AddressFamily != f) || (interfaceIndex is { } i && a.InterfaceIndex != i));
        return all;
    }

    /// <summary>Routes that a filter lets through (<c>ip [-4|-6] route show table T dev IF proto P</c>).</summary>
    /// <remarks>A table or an interface that does not exist has no routes. (A new namespace has no main table until the first route.)</remarks>
    public IReadOnlyList<Route> GetRoutes(RouteFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        if (filter.Family == AddressFamily.Unspecified)
            return [.. GetRoutes(filter with { Family = AddressFamily.InterNetwork }), .. GetRoutes(filter with { Family = AddressFamily.InterNetworkV6 })];

        var all = _exchange.Dump(
            "list routes",
            Rtnl.RTM_GETROUTE,
            Rtnl.RTM_NEWROUTE,
            RouteMessages.Get(AddressFamilies.ToNative(filter.Family), filter),
            RouteMessages.Decode,
            Errno.ENOENT,
            Errno.ENODEV);
        all.RemoveAll(r => r.Family != filter.Family
            || (filter.Table is { } table && r.Table != table)
            || (filter.Protocol is { } protocol && r.Protocol != protocol)
            || (filter.InterfaceIndex is { } index && r.InterfaceIndex != index && !r.IsMultipath));
        return all;
    }

    /// <summary>The route a packet to that address would take from here (<c>ip route get ADDR</c>); null when it would go nowhere.</summary>
    /// <returns>Destination is the address itself (/32 or /128); type, gateway, interface, table and source are those of the route.</returns>
    public Route? LookUpRoute(IPAddress destination)
    {
        ArgumentNullException.ThrowIfNull(destination);

        try
        {
            return _exchange.Query(
                $"look up route to {destination}",
                Rtnl.RTM_GETROUTE,
                Rtnl.RTM_NEWROUTE,
                RouteMessages.LookUp(destination),
                payload => RouteMessages.Decode(payload, out _),
                Errno.ENETUNREACH, // No route, or one of type unreachable (IPv6).
                Errno.EHOSTUNREACH, // A route of type unreachable.
                Errno.EACCES); // A route of type prohibit.
        }
        catch (NetlinkException e) when (e is { Errno: Errno.EINVAL, ExtendedAck: null })
        {
            return null; // A blackhole. An invalid request has the same number, but the kernel then says what is wrong with it.
        }
    }

    /// <summary>Neighbours on one interface, in every state (<c>ip [-4|-6] neigh show dev IF nud all</c>).</summary>
    public IReadOnlyList<Neighbour> GetNeighbours(AddressFamily family, int interfaceIndex)
    {
        var all = _exchange.Dump(
            "list neighbours",
            Rtnl.RTM_GETNEIGH,
            Rtnl.RTM_NEWNEIGH,
            NeighbourMessages.Get(AddressFamilies.ToNative(family), interfaceIndex),
            NeighbourMessages.DecodeNeighbour,
            Errno.ENODEV);
        all.RemoveAll(n => n.Address.AddressFamily != family || n.InterfaceIndex != interfaceIndex);
        return all;
    }

    /// <summary>Neighbours on all interfaces (<c>ip [-4|-6] neigh show nud all</c>).</summary>
    public IReadOnlyList<Neighbour> GetNeighbours(AddressFamily family)
    {
        var all = _exchange.Dump(
            "list neighbours",
            Rtnl.RTM_GETNEIGH,
            Rtnl.RTM_NEWNEIGH,
            NeighbourMessages.Get(AddressFamilies.ToNative(family)),
            NeighbourMessages.DecodeNeighbour);
        all.RemoveAll(n => n.Address.AddressFamily != family);
        return all;
    }

    /// <summary>The table of a bridge (<c>bridge fdb show br BR</c>): which port has a hardware address.</summary>
    public IReadOnlyList<FdbEntry> GetBridgeFdb(int bridgeIndex)
    {
        var all = _exchange.Dump(
            "list bridge fdb",
            Rtnl.RTM_GETNEIGH,
            Rtnl.RTM_NEWNEIGH,
            NeighbourMessages.GetFdbOf(bridgeIndex),
            NeighbourMessages.DecodeFdb,
            Errno.ENODEV);
        all.RemoveAll(e => e.MasterIndex != bridgeIndex);
        return all;
    }

    /// <summary>Forwarding entries of one device (<c>bridge fdb show dev IF</c>); one per destination.</summary>
    public IReadOnlyList<FdbEntry> GetFdb(int interfaceIndex)
    {
        var all = _exchange.Dump(
            "list fdb",
            Rtnl.RTM_GETNEIGH,
            Rtnl.RTM_NEWNEIGH,
            NeighbourMessages.Get(Rtnl.AF_BRIDGE, interfaceIndex),
            NeighbourMessages.DecodeFdb,
            Errno.ENODEV);
        all.RemoveAll(e => e.InterfaceIndex != interfaceIndex);
        return all;
    }

    /// <summary>Queueing disciplines of all interfaces or one (<c>tc qdisc show [dev IF]</c>); none for an interface that does not exist.</summary>
    public IReadOnlyList<QueueDiscipline> GetQdiscs(int? interfaceIndex = null)
    {
        var all = _exchange.Dump(
            "list qdiscs",
            Rtnl.RTM_GETQDISC,
            Rtnl.RTM_NEWQDISC,
            TrafficControlMessages.Get(interfaceIndex ?? 0),
            TrafficControlMessages.DecodeQdisc,
            Errno.ENODEV);
        all.RemoveAll(q => interfaceIndex is { } index && q.InterfaceIndex != index); // The kernel gives those of all interfaces.
        return all;
    }

    /// <summary>Filters on one parent of an interface (<c>tc filter show dev IF parent P</c>); tcx programs are not among them.</summary>
    public IReadOnlyList<TrafficFilter> GetFilters(int interfaceIndex, uint parent) =>
        _exchange.Dump(
            "list filters",
            Rtnl.RTM_GETTFILTER,
            Rtnl.RTM_NEWTFILTER,
            TrafficControlMessages.Get(interfaceIndex, parent),
            TrafficControlMessages.DecodeFilter,
            Errno.ENODEV);

    /// <summary>Carries out requests in order, many per system call; a failure does not keep the later ones from being tried.</summary>
    /// <returns>One entry per request in the same order: null for done (or already so), otherwise why not.</returns>
    public IReadOnlyList<NetlinkException?> Execute(IReadOnlyList<RouteRequest> requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        var results = new NetlinkException?[requests.Count];
        var next = 0;
        while (next < requests.Count)
        {
            var start = next;
            var firstSequence = _exchange.LastSequence + 1;
            _writer.Clear();
            while (next < requests.Count && next - start < RequestsPerSend && (next == start || _writer.Length < BytesPerSend))
            {
                var request = requests[next++];
                _writer.Message(request.Type, (ushort)(request.Flags | Nl.NLM_F_REQUEST | Nl.NLM_F_ACK), _exchange.NextSequence(), request.Payload);
            }

            var answered = new bool[next - start];
            try
            {
                _socket.Send(_writer.Written);
                ReadAcknowledgements(firstSequence, answered, (i, errno, text) =>
                {
                    var request = requests[start + i];
                    if (errno != 0 && !request.IsBenign(errno))
                        results[start + i] = new(request.Description, errno, text);
                });
            }
            catch (NetlinkException e)
            {
                // Sent, or not even that: what was not answered may or may not have happened, and the caller must look.
                for (var i = 0; i < answered.Length; i++)
                {
                    if (!answered[i])
                        results[start + i] = new(requests[start + i].Description, e.Errno, $"outcome unknown: {e.Message}");
                }
            }
        }

        return results;
    }

    /// <summary>Carries out one request.</summary>
    /// <exception cref="NetlinkException">The kernel refused it.</exception>
    public void Execute(RouteRequest one)
    {
        ArgumentNullException.ThrowIfNull(one);
        if (Execute([one])[0] is { } failure)
            throw failure;
    }

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();

    private Link? FindLink(string operation, NetlinkWriter request) =>
        _exchange.Query(operation, Rtnl.RTM_GETLINK, Rtnl.RTM_NEWLINK, request, LinkMessages.Decode, Errno.ENODEV);

    private void ReadAcknowledgements(uint firstSequence, bool[] answered, Action<int, int, string?> onAnswer)
    {
        var left = answered.Length;
        while (left > 0)
        {
            var reader = new NetlinkReader(_socket.Receive());
            while (reader.TryRead(out var message))
            {
                // Unsigned difference: answers to earlier, given-up requests wrap to large numbers and are ignored.
                var index = message.Header.nlmsg_seq - firstSequence;
                if (message.Type != Nl.NLMSG_ERROR || index >= answered.Length || answered[index])
                    continue;

                var (errno, text) = message.ReadError();
                onAnswer((int)index, errno, text);
                answered[index] = true;
                left--;
            }
        }
    }
}
