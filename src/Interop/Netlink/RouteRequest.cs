using System.Net;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Netlink;

/// <summary>One change to the kernel's network state, encoded and ready to be sent by a <see cref="RouteSocket"/>.</summary>
/// <remarks>
/// Requests say what should be the case afterwards: adding what is there and deleting what is not both succeed. Which error numbers mean
/// "already so" is written at each of them. A request is immutable, bound to no namespace, and can be sent again.
/// </remarks>
public sealed class RouteRequest
{
    private readonly byte[] _payload;
    private readonly int[] _benign;

    private RouteRequest(string description, ushort type, ushort flags, NetlinkWriter payload, params int[] benign)
    {
        Description = description;
        Type = type;
        Flags = flags;
        _payload = payload.Written.ToArray();
        _benign = benign;
    }

    /// <summary>What the request does, as errors name it: <c>replace route 10.5.1.0/24 via 10.5.1.0 dev #5 onlink</c>.</summary>
    public string Description { get; }

    internal ushort Type { get; }

    internal ushort Flags { get; }

    internal ReadOnlySpan<byte> Payload => _payload;

    /// <summary>Makes a vxlan device, down (<c>ip link add NAME address MAC mtu N type vxlan id VNI dev IF local IP dstport PORT …</c>).</summary>
    /// <remarks>A device of that name is an error (EEXIST), whatever it is: the caller decides between keeping and replacing.</remarks>
    public static RouteRequest CreateVxlan(VxlanLinkSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var parameters = spec.Parameters;
        return new(
            $"create vxlan device {spec.Name} (id {parameters.Vni}, local {parameters.Local?.ToString() ?? "any"}, "
                + $"dev #{parameters.UnderlayIndex}, port {parameters.Port})",
            Rtnl.RTM_NEWLINK,
            Nl.NLM_F_CREATE | Nl.NLM_F_EXCL,
            LinkMessages.New(spec));
    }

    /// <summary>Removes a device (<c>ip link delete NAME</c>).</summary>
    /// <param name="index">Which one.</param>
    /// <param name="name">For the description only.</param>
    /// <remarks>ENODEV succeeds: it is gone.</remarks>
    public static RouteRequest DeleteLink(int index, string name) =>
        new($"delete link {name}", Rtnl.RTM_DELLINK, 0, LinkMessages.Change(index, up: null), Errno.ENODEV);

    /// <summary>Changes a device (<c>ip link set NAME address MAC mtu N up|down</c>).</summary>
    /// <param name="index">Which one.</param>
    /// <param name="name">For the description only.</param>
    /// <param name="address">The new hardware address, or null to leave it.</param>
    /// <param name="mtu">The new MTU, or null to leave it.</param>
    /// <param name="up">Up or down, or null to leave it.</param>
    public static RouteRequest UpdateLink(int index, string name, MacAddress? address = null, int? mtu = null, bool? up = null)
    {
        var payload = LinkMessages.Change(index, up);
        var words = $"set link {name}";
        if (address is { } mac)
        {
            payload.Mac(Rtnl.IFLA_ADDRESS, mac);
            words += $" address {mac}";
        }

        if (mtu is { } bytes)
        {
            payload.U32(Rtnl.IFLA_MTU, (uint)bytes);
            words += $" mtu {bytes}";
        }

        if (up is { } wanted)
            words += wanted ? " up" : " down";
        return new(words, Rtnl.RTM_NEWLINK, 0, payload);
    }

    /// <summary>Gives an interface an address, or makes one it has permanent (<c>ip address replace ADDR/LEN dev IF</c>).</summary>
    public static RouteRequest AddAddress(InterfaceAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return new($"add address {Words(address)}", Rtnl.RTM_NEWADDR, Nl.NLM_F_CREATE | Nl.NLM_F_REPLACE, AddressMessages.Encode(address));
    }

    /// <summary>Takes an address from an interface (<c>ip address delete ADDR/LEN dev IF</c>).</summary>
    /// <remarks>
    /// EADDRNOTAVAIL succeeds: it is gone. So do ENODEV and ENXIO: the interface, or its IPv6 state, went and took it along. IPv4 secondary
    /// addresses of the same prefix go too unless net.ipv4.conf.IF.promote_secondaries is set.
    /// </remarks>
    public static RouteRequest DeleteAddress(InterfaceAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return new(
            $"delete address {Words(address)}",
            Rtnl.RTM_DELADDR,
            0,
            AddressMessages.Encode(address),
            Errno.EADDRNOTAVAIL,
            Errno.ENODEV,
            Errno.ENXIO);
    }

    /// <summary>Makes a route, in place of one with the same prefix, table and metric (<c>ip route replace PREFIX via GW dev IF …</c>).</summary>
    /// <remarks>The kernel replaces whoever's route that is: protocol is not part of the key.</remarks>
    /// <exception cref="ArgumentException">A multipath route.</exception>
    public static RouteRequest ReplaceRoute(Route route)
    {
        ArgumentNullException.ThrowIfNull(route);
        return new($"replace route {Words(route)}", Rtnl.RTM_NEWROUTE, Nl.NLM_F_CREATE | Nl.NLM_F_REPLACE, RouteMessages.Encode(route));
    }

    /// <summary>Removes a route (<c>ip route delete PREFIX via GW dev IF proto N …</c>) that agrees in everything given, protocol included.</summary>
    /// <remarks>
    /// ESRCH succeeds: no such route, or no such table. A <see cref="Route.Priority"/> of 0 and an
    /// <see cref="Route.InterfaceIndex"/> of 0 match any, which is the kernel's rule.
    /// </remarks>
    /// <exception cref="ArgumentException">A multipath route.</exception>
    public static RouteRequest DeleteRoute(Route route)
    {
        ArgumentNullException.ThrowIfNull(route);
        return new($"delete route {Words(route)}", Rtnl.RTM_DELROUTE, 0, RouteMessages.Encode(route), Errno.ESRCH);
    }

    /// <summary>Sets a neighbour (<c>ip neigh replace ADDR lladdr MAC dev IF nud permanent</c>).</summary>
    public static RouteRequest ReplaceNeighbour(Neighbour neighbour)
    {
        ArgumentNullException.ThrowIfNull(neighbour);
        return new(
            $"replace neighbour {Words(neighbour)}",
            Rtnl.RTM_NEWNEIGH,
            Nl.NLM_F_CREATE | Nl.NLM_F_REPLACE,
            NeighbourMessages.Encode(neighbour));
    }

    /// <summary>Has the kernel find out who has an address, if it does not know (<c>ip neigh replace ADDR dev IF use</c>).</summary>
    public static RouteRequest ResolveNeighbour(IPAddress address, int interfaceIndex) => new(
        $"resolve {address} dev #{interfaceIndex}",
        Rtnl.RTM_NEWNEIGH,
        Nl.NLM_F_CREATE,
        NeighbourMessages.Encode(new Neighbour(interfaceIndex, address, null, 0, NeighbourFlags.Use)));

    /// <summary>Removes a neighbour (<c>ip neigh delete ADDR dev IF</c>).</summary>
    /// <remarks>ENOENT succeeds: it is gone. So does ENODEV: the interface went and took it along.</remarks>
    public static RouteRequest DeleteNeighbour(Neighbour neighbour)
    {
        ArgumentNullException.ThrowIfNull(neighbour);
        return new(
            $"delete neighbour {Words(neighbour)}",
            Rtnl.RTM_DELNEIGH,
            0,
            NeighbourMessages.Encode(neighbour),
            Errno.ENOENT,
            Errno.ENODEV);
    }

    /// <summary>Sets the one destination of a hardware address (<c>bridge fdb replace MAC dev IF dst VTEP self permanent</c>).</summary>
    public static RouteRequest ReplaceFdb(FdbEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return new(
            $"replace fdb {Words(entry)}",
            Rtnl.RTM_NEWNEIGH,
            Nl.NLM_F_CREATE | Nl.NLM_F_REPLACE,
            NeighbourMessages.Encode(entry));
    }

    /// <summary>Removes a forwarding entry with that destination (<c>bridge fdb delete MAC dev IF dst VTEP self</c>).</summary>
    /// <remarks>ENOENT succeeds: it is gone. So does ENODEV: the device went and took it along.</remarks>
    public static RouteRequest DeleteFdb(FdbEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return new($"delete fdb {Words(entry)}", Rtnl.RTM_DELNEIGH, 0, NeighbourMessages.Encode(entry), Errno.ENOENT, Errno.ENODEV);
    }

    /// <summary>Takes a filter from a clsact hook (<c>tc filter delete dev IF ingress pref P handle H KIND</c>).</summary>
    /// <remarks>ENOENT and ENODEV succeed: it is gone, alone or with its interface.</remarks>
    internal static RouteRequest DeleteFilter(int interfaceIndex, uint parent, TrafficFilter filter) =>
        new(
            $"delete filter {filter.Kind} pref {filter.Priority} handle {filter.Handle} dev #{interfaceIndex}",
            Rtnl.RTM_DELTFILTER,
            0,
            TrafficControlMessages.Filter(interfaceIndex, parent, filter),
            Errno.ENOENT,
            Errno.ENODEV);

    /// <summary>The description.</summary>
    public override string ToString() => Description;

    /// <summary>Whether an error number means that what the request asks for is already the case.</summary>
    internal bool IsBenign(int errno) => _benign.AsSpan().Contains(errno);

    private static string Words(InterfaceAddress address) =>
        $"{address.Address}{(address.Peer is { } peer ? $" peer {peer}" : "")}/{address.PrefixLength} dev #{address.InterfaceIndex}";

    private static string Words(Route route) =>
        (route.Type == RouteType.Unicast ? "" : $"{route.Type.ToString().ToLowerInvariant()} ")
        + route.Destination
        + (route.Gateway is { } gateway ? $" via {gateway}" : "")
        + (route.InterfaceIndex != 0 ? $" dev #{route.InterfaceIndex}" : "")
        + (route.Table == RouteTable.Main ? "" : $" table {route.Table}")
        + (route.Priority == 0 ? "" : $" metric {route.Priority}")
        + $" proto {route.Protocol}"
        + (route.OnLink ? " onlink" : "");

    private static string Words(Neighbour neighbour) =>
        $"{neighbour.Address} lladdr {neighbour.LinkAddress?.ToString() ?? "none"} dev #{neighbour.InterfaceIndex}";

    private static string Words(FdbEntry entry) =>
        $"{entry.Address} dst {entry.Destination?.ToString() ?? "none"} dev #{entry.InterfaceIndex}";
}
