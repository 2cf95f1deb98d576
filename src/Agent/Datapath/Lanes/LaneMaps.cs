using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;
using SubnetKey = Accelerated.Interop.Libbpf.Overlay.SubnetKey;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Makes the maps equal to the desired state: reads what is in them, changes what differs. A node becomes known to the guard before its
/// subnet leads to it, and leaves in the opposite order.
/// </summary>
internal static class LaneMaps
{
    private const string PortRange = "/proc/sys/net/ipv4/ip_local_port_range";

    /// <summary>
    /// Puts in what is new of an overlay's peers, and nothing else: to be called before routes lead to them, or the guard would refuse their
    /// first answers.
    /// </summary>
    public static IReadOnlyList<string> Admit(LaneProgram program, OverlayDevice device, ImmutableArray<DirectPeer> direct, GuardSpec guard)
    {
        var changes = new List<string>();
        var wanted = Wanted(device, direct);
        var (_, subnets) = PutPeers(program, wanted, guard, changes, []);
        var layout = SlotLayout.Of(device, program.Slots.Capacity);
        if (program.Config.TryLookup(0u, out ConfigValue config) && SlotLayout.Of(config) == layout)
            program.Slots.Apply(layout, subnets.Where(s => wanted.ContainsKey(s.Key)), changes);
        return changes;
    }

    /// <summary>Applies an overlay's peers and configuration. What does not fit into a map is left out; all else works.</summary>
    public static LaneMapReport Apply(
        LaneProgram program, OverlayDevice device, ImmutableArray<DirectPeer> direct, int deviceIndex, InboundOptions inbound, GuardSpec guard, bool mayPrune)
    {
        var changes = new List<string>();
        var leftOut = new Dictionary<BpfMap, int>();
        var wanted = Wanted(device, direct);
        var (vteps, subnets) = PutPeers(program, wanted, guard, changes, leftOut);
        var allowed = program.GuardAllow.Keys<SubnetKey>().Select(k => k.ToIPNetwork()).ToHashSet();
        foreach (var network in guard.Allowed.Where(n => !allowed.Contains(n)))
        {
            program.GuardAllow.Update(SubnetKey.From(network), default(AllowValue));
            changes.Add($"allow senders in {network}");
        }

        foreach (var network in allowed.Where(n => !guard.Allowed.Contains(n)))
        {
            program.GuardAllow.Delete(SubnetKey.From(network));
            changes.Add($"allow senders in {network} no more");
        }

        // With a full map an unknown sender may be a peer that found no room: only count.
        var mode = leftOut.ContainsKey(program.Vteps) && guard.Mode != OverlayGuard.Off ? OverlayGuard.Observe : guard.Mode;
        var isThere = program.Config.TryLookup(0u, out ConfigValue current);
        var layout = SlotLayout.Of(device, program.Slots.Capacity);
        if (isThere && SlotLayout.Of(current) != layout)
        {
            // Nobody looks into slots that are written anew.
            current = current with { SlotsBegin = layout.Begin, SlotShift = layout.Shift, Slots = 0 };
            program.Config.Update(0u, current);
        }

        program.Slots.Apply(layout, subnets.Where(s => wanted.ContainsKey(s.Key)), changes);
        // The same for as long as the map lives: packets that lane 3 has decapsulated may be on their way.
        var config = Config(device, deviceIndex, mode, inbound, isThere && !current.Cookie.IsZero ? current.Cookie : OverlayCookie.Draw(), layout);
        if (!isThere || !Same(current, config))
        {
            program.Config.Update(0u, config);
            changes.Add($"configure the lanes: VNI {config.Vni}, port {config.Port}, guard {mode}, {Decapsulating(inbound.TunnelIn)}");
        }

        var report = new LaneMapReport(changes, [.. leftOut.Select(l => (l.Key.Name, l.Key.MaxEntries, l.Value))]);
        if (!mayPrune)
            return report;
        foreach (var subnet in subnets.Keys.Where(s => !wanted.ContainsKey(s)))
        {
            program.Subnets.Delete(SubnetKey.From(subnet));
            changes.Add($"remove {subnet} from the map of subnets");
        }

        foreach (var vtep in vteps.Except(guard.Vteps))
        {
            program.Vteps.Delete(VtepKey.From(vtep));
            changes.Add($"remove {vtep} from the map of VTEPs");
        }

        return report;
    }

    private static Dictionary<IPNetwork, SubnetValue> Wanted(OverlayDevice device, ImmutableArray<DirectPeer> direct)
    {
        var wanted = device.Peers.ToDictionary(p => p.Subnet, p => Value(p.Remote, p.VtepMac, OverlayTransport.Vxlan));
        foreach (var peer in direct)
            wanted[peer.Subnet] = Value(peer.Remote, default, OverlayTransport.Direct);
        wanted[device.Subnet] = Value(device.Local, device.Mac, OverlayTransport.Local);
        return wanted;
    }

    /// <summary>Adds nodes, then what leads to them; returns the nodes there were before, and the subnets there are then.</summary>
    private static (HashSet<IPAddress> Vteps, Dictionary<IPNetwork, SubnetValue> Subnets) PutPeers(
        LaneProgram program, Dictionary<IPNetwork, SubnetValue> wanted, GuardSpec guard, List<string> changes, Dictionary<BpfMap, int> leftOut)
    {
        var vteps = program.Vteps.Keys<VtepKey>().Select(k => k.Address.ToIPAddress()).ToHashSet();
        foreach (var vtep in guard.Vteps.Where(v => !vteps.Contains(v)))
        {
            if (Fits(program.Vteps, leftOut, () => program.Vteps.TryAdd(VtepKey.From(vtep), default(VtepValue))))
                changes.Add($"add {vtep} to the map of VTEPs");
        }

        var subnets = program.Subnets.ReadAll<SubnetKey, SubnetValue>().ToDictionary(e => e.Key.ToIPNetwork(), e => e.Value);
        foreach (var (subnet, value) in wanted)
        {
            var isThere = subnets.TryGetValue(subnet, out var there);
            if (isThere && Same(there, value))
                continue;
            if (!Fits(program.Subnets, leftOut, () => Set(program.Subnets, SubnetKey.From(subnet), value, isThere)))
                continue;
            subnets[subnet] = value;
            changes.Add($"set {subnet} to {value.Vtep} {value.VtepMac} ({value.Transport}) in the map of subnets");
        }

        return (vteps, subnets);
    }

    /// <summary>Writes to a map; what finds no room is counted.</summary>
    private static bool Fits(BpfMap map, Dictionary<BpfMap, int> leftOut, Action write)
    {
        try
        {
            write();
            return true;
        }
        catch (BpfMapFullException)
        {
            leftOut[map] = leftOut.GetValueOrDefault(map) + 1;
            return false;
        }
    }

    private static void Set(BpfMap map, SubnetKey key, SubnetValue value, bool isThere)
    {
        try
        {
            map.Update(key, value);
        }
        catch (BpfMapFullException) when (isThere)
        {
            // Before Linux 6.13 a full trie has no room for the new value of a key it holds. The old one would lead to the wrong node.
            map.Delete(key);
            map.Update(key, value);
        }
    }

    private static SubnetValue Value(IPAddress vtep, Interop.MacAddress mac, OverlayTransport transport) =>
        new() { Vtep = OverlayAddress.From(vtep), VtepMac = OverlayMac.From(mac), Transport = transport };

    private static ConfigValue Config(OverlayDevice device, int deviceIndex, OverlayGuard guard, InboundOptions inbound, OverlayCookie cookie, SlotLayout layout)
    {
        var (low, high) = SourcePorts();
        return new ConfigValue
        {
            OverlayIfindex = (uint)deviceIndex,
            UnderlayIfindex = (uint)device.UnderlayIndex,
            Local = OverlayAddress.From(device.Local),
            OverlayMac = OverlayMac.From(device.Mac),
            Guard = guard,
            Vni = device.Vni,
            Port = device.Port,
            SourcePortLow = low,
            SourcePortHigh = high,
            TunnelIn = inbound.TunnelIn,
            EarlyIn = inbound.EarlyIn,
            UnderlayMac = inbound.UnderlayMac is { } mac ? OverlayMac.From(mac) : default,
            Cookie = cookie,
            SlotsBegin = layout.Begin,
            Slots = layout.Count,
            SlotShift = layout.Shift,
        };
    }

    private static string Decapsulating(OverlayTunnelIn tunnelIn) => tunnelIn switch
    {
        OverlayTunnelIn.Driver => "the driver decapsulates",
        OverlayTunnelIn.Auto => "lane 1 decapsulates all but aggregates and pieces of streams",
        _ => "lane 1 decapsulates all but aggregates",
    };

    /// <summary>The driver draws source ports from the local port range; so do the lanes.</summary>
    private static (ushort Low, ushort High) SourcePorts()
    {
        var words = File.ReadAllText(PortRange).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return (ushort.Parse(words[0], CultureInfo.InvariantCulture), ushort.Parse(words[1], CultureInfo.InvariantCulture));
    }

    /// <summary>Equal as the kernel sees it: byte for byte.</summary>
    internal static bool Same<T>(T a, T b)
        where T : unmanaged =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in a)).SequenceEqual(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in b)));
}
