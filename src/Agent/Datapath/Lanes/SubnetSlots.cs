using System.Diagnostics;
using System.Net;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// The map of subnets once more, as an array in which a subnet's place follows from its address: what the programs look into first. They
/// find in the map of subnets what has no slot, or none yet, so a slot may be empty at any time, and must never be wrong.
/// </summary>
internal sealed class SubnetSlots(BpfMap map) : IDisposable
{
    /// <summary>Slots that are read in every pass. More cost milliseconds, and are read now and then.</summary>
    private const int CheapToRead = 1024;

    private static readonly TimeSpan Trust = TimeSpan.FromMinutes(1);

    private Dictionary<uint, SubnetValue>? _held;
    private SlotLayout _layout;
    private long _readAt;

    /// <summary>How many slots there can be.</summary>
    public int Capacity => map.MaxEntries;

    /// <summary>Makes the slots hold these subnets and nothing else.</summary>
    /// <param name="layout">How the network is cut.</param>
    /// <param name="subnets">Subnets that do not overlap, and where they are; what else the map has, for not being sure that it is gone, it alone has.</param>
    /// <param name="changes">Takes what somebody else had changed.</param>
    public void Apply(SlotLayout layout, IEnumerable<KeyValuePair<IPNetwork, SubnetValue>> subnets, List<string> changes)
    {
        var wanted = new Dictionary<uint, SubnetValue>();
        foreach (var (subnet, value) in subnets)
        {
            if (layout.SlotOf(subnet) is { } slot)
                wanted[slot] = value;
        }

        var held = Read(layout, changes);
        // Known again when all is written.
        _held = null;
        foreach (var slot in held.Keys.Where(s => !wanted.ContainsKey(s)).ToList())
        {
            map.Update(slot, default(SubnetValue));
            held.Remove(slot);
        }

        foreach (var (slot, value) in wanted)
        {
            var isThere = held.TryGetValue(slot, out var there);
            if (isThere && LaneMaps.Same(there, value))
                continue;
            // An entry of an array is written word by word under its readers' eyes: by way of an empty one nobody sees half of each.
            if (isThere)
                map.Update(slot, default(SubnetValue));
            map.Update(slot, value);
            held[slot] = value;
        }

        _held = held;
    }

    /// <inheritdoc/>
    public void Dispose() => map.Dispose();

    private Dictionary<uint, SubnetValue> Read(SlotLayout layout, List<string> changes)
    {
        var last = layout == _layout ? _held : null;
        if (last is not null && layout.Count > CheapToRead && Stopwatch.GetElapsedTime(_readAt) < Trust)
            return last;
        var held = map.ReadAll<uint, SubnetValue>((int)layout.Count).Where(e => !LaneMaps.Same(e.Value, default)).ToDictionary(e => e.Key, e => e.Value);
        (_layout, _readAt) = (layout, Stopwatch.GetTimestamp());
        if (last is not null && (last.Count != held.Count || last.Any(l => !held.TryGetValue(l.Key, out var now) || !LaneMaps.Same(now, l.Value))))
            changes.Add("correct the slots of subnets");
        return held;
    }
}
