using System.Net;
using System.Text;
using Accelerated.Agent.State;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>
/// What is known about a kind of packets: for some fields the values they can have. A field that is not named can have any value; one without
/// values is absent, and no condition on it holds.
/// </summary>
internal sealed class PacketClass
{
    private const byte Ipv4 = 2;
    private const int Udp = 17;
    private const int Tcp = 6;
    private const byte FinSynRst = 0x07;

    /// <summary>No fragment; with "don't fragment" or without.</summary>
    private static readonly ValueRange[] WholePacket = [Number(0), Number(0x4000)];

    private readonly Dictionary<PacketField, ValueRange[]> _known;

    private PacketClass(Dictionary<PacketField, ValueRange[]> known) => _known = known;

    /// <summary>Flags of TCP these packets never have.</summary>
    public byte NoTcpFlags { get; private init; }

    /// <summary>The values a field can have; null for any.</summary>
    public ValueRange[]? Values(PacketField field) => _known.GetValueOrDefault(field);

    /// <summary>The same packets after somebody gave them a mark.</summary>
    public PacketClass WithAnyMark() => Without(PacketField.Mark);

    /// <summary>What the driver sends to the peers, in OUTPUT or POSTROUTING.</summary>
    public static PacketClass Sent(OverlayDevice device, string underlay, FilterHook hook, int state)
    {
        var known = Outer(device, state);
        known[PacketField.Source] = [Address(device.Local)];
        known[PacketField.Destination] = Vteps(device);
        known[PacketField.OutputName] = [Name(underlay)];
        known[PacketField.OutputIndex] = [Number(device.UnderlayIndex)];
        known[PacketField.SourceKind] = [Number((int)RouteType.Local)];
        known[PacketField.DestinationKind] = [Number((int)RouteType.Unicast)];
        if (hook == FilterHook.Output)
            known[PacketField.InputName] = known[PacketField.InputIndex] = [Number(0)];
        return new(Pruned(known));
    }

    /// <summary>What the driver receives from the peers, in PREROUTING or INPUT.</summary>
    public static PacketClass Received(OverlayDevice device, string underlay, int state)
    {
        var known = Outer(device, state);
        known[PacketField.Source] = Vteps(device);
        known[PacketField.Destination] = [Address(device.Local)];
        known[PacketField.InputName] = [Name(underlay)];
        known[PacketField.InputIndex] = [Number(device.UnderlayIndex)];
        known[PacketField.OutputName] = known[PacketField.OutputIndex] = [Number(0)];
        known[PacketField.SourceKind] = [Number((int)RouteType.Unicast)];
        known[PacketField.DestinationKind] = [Number((int)RouteType.Local)];
        known[PacketField.PacketType] = [Number(0)];
        return new(Pruned(known));
    }

    /// <summary>What begins to arrive on our port, in PREROUTING or INPUT, whoever sends it.</summary>
    public static PacketClass FromAnyone(OverlayDevice device, string underlay) =>
        Received(device, underlay, ConntrackStates.New).Without(PacketField.Source);

    /// <summary>What begins a conversation between a container here and one elsewhere, of any protocol.</summary>
    /// <param name="network">The whole overlay network.</param>
    /// <param name="subnet">The node's own subnet.</param>
    /// <param name="name">The interface by which it goes to, or comes from, elsewhere.</param>
    /// <param name="outward">From a container here, rather than to it. Which interface the container is behind is not known.</param>
    public static PacketClass Forwarded(IPNetwork network, IPNetwork subnet, string name, bool outward)
    {
        var known = Crossing(subnet, outward)._known;
        known[outward ? PacketField.Destination : PacketField.Source] = [Network(network)];
        known[outward ? PacketField.OutputName : PacketField.InputName] = [Name(name)];
        return new(known);
    }

    /// <summary>What begins a conversation between a container here and whatever is outside, the rest of the world included.</summary>
    /// <param name="subnet">The node's own subnet.</param>
    /// <param name="outward">From a container here, rather than to it.</param>
    public static PacketClass Crossing(IPNetwork subnet, bool outward) => new(new Dictionary<PacketField, ValueRange[]>
    {
        [PacketField.Family] = [Number(Ipv4)],
        [PacketField.EtherType] = [Number(0x0800)],
        [outward ? PacketField.Source : PacketField.Destination] = [Network(subnet)],
        [PacketField.Fragment] = WholePacket,
        [PacketField.ConntrackState] = [Number(ConntrackStates.New)],
        [PacketField.SocketOwner] = [],
    });

    /// <summary>What lane 2 would carry: packets of established flows between a container here and one elsewhere.</summary>
    /// <param name="device">The overlay.</param>
    /// <param name="overlay">Its device, as rules may name it; null while there is none.</param>
    /// <param name="containers">The interfaces of containers, and the bridges those belong to. None: unknown.</param>
    /// <param name="hook">Prerouting, forward or postrouting.</param>
    /// <param name="outward">From a container here, rather than to it.</param>
    /// <param name="tcp">TCP, rather than UDP.</param>
    public static PacketClass Inner(OverlayDevice device, Link? overlay, IReadOnlyCollection<Link> containers, FilterHook hook, bool outward, bool tcp)
    {
        var here = Network(device.Subnet);
        var network = Network(device.Network);
        var known = new Dictionary<PacketField, ValueRange[]?>
        {
            [PacketField.Family] = [Number(Ipv4)],
            [PacketField.EtherType] = [Number(0x0800)],
            [PacketField.Protocol] = [Number(tcp ? Tcp : Udp)],
            [PacketField.Source] = [outward ? here : network],
            [PacketField.Destination] = [outward ? network : here],
            [PacketField.Fragment] = WholePacket,
            [PacketField.ConntrackState] = [Number(ConntrackStates.Established)],
            [PacketField.SourceKind] = [Number((int)RouteType.Unicast)],
            [PacketField.DestinationKind] = [Number((int)RouteType.Unicast)],
            [PacketField.ReversePath] = [new(1, UInt128.MaxValue)],
            [PacketField.SocketOwner] = [],
            [PacketField.PacketType] = [Number(0)],
        };
        IReadOnlyCollection<Link>? device1 = overlay is null ? null : [overlay];
        var (from, to) = outward ? (containers, device1) : (device1, containers);
        if (hook == FilterHook.Prerouting)
            (known[PacketField.OutputName], known[PacketField.OutputIndex]) = ([Number(0)], [Number(0)]);
        else
            (known[PacketField.OutputName], known[PacketField.OutputIndex]) = (Names(to), Indices(to));
        if (hook != FilterHook.Postrouting)
            (known[PacketField.InputName], known[PacketField.InputIndex]) = (Names(from), Indices(from));
        return new(Pruned(known)) { NoTcpFlags = tcp ? FinSynRst : (byte)0 };
    }

    /// <summary>A prefix as a range of addresses.</summary>
    public static ValueRange Network(IPNetwork network)
    {
        var low = Address(network.BaseAddress).Low;
        var hostBits = (network.BaseAddress.GetAddressBytes().Length * 8) - network.PrefixLength;
        return new(low, low | (hostBits == 128 ? UInt128.MaxValue : (UInt128.One << hostBits) - 1));
    }

    private static Dictionary<PacketField, ValueRange[]?> Outer(OverlayDevice device, int state) => new()
    {
        [PacketField.Family] = [Number(Ipv4)],
        [PacketField.EtherType] = [Number(0x0800)],
        [PacketField.Protocol] = [Number(Udp)],
        [PacketField.Fragment] = WholePacket,
        [PacketField.SourcePort] = [new(1024, ushort.MaxValue)], // net.ipv4.ip_local_port_range, in whatever part of it.
        [PacketField.DestinationPort] = [Number(device.Port)],
        [PacketField.ConntrackState] = [Number(state)],
        // An outer packet has the mark of the inner one, which rules met before.
        [PacketField.Mark] = [Number(0)],
        [PacketField.ReversePath] = [new(1, UInt128.MaxValue)],
        // Rules for users met the inner packet too.
        [PacketField.SocketOwner] = [],
    };

    private PacketClass Without(PacketField field)
    {
        var known = new Dictionary<PacketField, ValueRange[]>(_known);
        known.Remove(field);
        return new(known) { NoTcpFlags = NoTcpFlags };
    }

    private static Dictionary<PacketField, ValueRange[]> Pruned(Dictionary<PacketField, ValueRange[]?> known) =>
        known.Where(k => k.Value is not null).ToDictionary(k => k.Key, k => k.Value!);

    private static ValueRange[]? Vteps(OverlayDevice device) =>
        device.Peers.IsEmpty ? null : [.. device.Peers.Select(p => p.Remote).Distinct().Select(Address)];

    private static ValueRange[]? Names(IReadOnlyCollection<Link>? links) => links is null or { Count: 0 } ? null : [.. links.Select(l => Name(l.Name))];

    private static ValueRange[]? Indices(IReadOnlyCollection<Link>? links) => links is null or { Count: 0 } ? null : [.. links.Select(l => Number(l.Index))];

    private static ValueRange Address(IPAddress address) => Exactly(Value(address.GetAddressBytes()));

    private static ValueRange Number(int value) => Exactly((UInt128)(uint)value);

    private static ValueRange Name(string name)
    {
        var bytes = new byte[16];
        Encoding.UTF8.TryGetBytes(name, bytes, out _);
        return Exactly(Value(bytes));
    }

    private static ValueRange Exactly(UInt128 value) => new(value, value);

    private static UInt128 Value(ReadOnlySpan<byte> bytes)
    {
        UInt128 value = 0;
        foreach (var b in bytes)
            value = value << 8 | b;
        return value;
    }
}
