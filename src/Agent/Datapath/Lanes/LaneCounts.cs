using System.Net;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Reads the lanes' counters, summed over all CPUs. Safe from any thread.</summary>
internal static class LaneCounts
{
    private static readonly (OverlayLane Lane, string Name)[] Lanes =
        [(OverlayLane.Lane1Out, "1 out"), (OverlayLane.Lane1In, "1 in"), (OverlayLane.Lane2Out, "2 out"), (OverlayLane.Lane2In, "2 in"), (OverlayLane.Lane3In, "3 in")];

    /// <summary>One entry a lane.</summary>
    /// <param name="program">The programs.</param>
    /// <param name="noTunnelIn">Why lane 1 does not decapsulate, or null.</param>
    /// <param name="noShortcut">Why lane 2 is closed, or null.</param>
    /// <param name="early">Lane 3, which is not told of while nobody wants it.</param>
    public static IReadOnlyList<LaneStatus> Read(LaneProgram program, string? noTunnelIn, string? noShortcut, EarlyLane early)
    {
        var result = new List<LaneStatus>(Lanes.Length);
        foreach (var (lane, name) in Lanes)
        {
            if (lane is OverlayLane.Lane3In && !early.IsWanted)
                continue;
            var perCpu = program.LaneStats.LookupPerCpu<uint, LaneCounters>((uint)lane) ?? [];
            var total = LaneCounters.Sum(perCpu);
            var off = lane switch
            {
                OverlayLane.Lane1In => noTunnelIn,
                OverlayLane.Lane2Out or OverlayLane.Lane2In => noShortcut,
                OverlayLane.Lane3In => early.Off,
                _ => null,
            };
            result.Add(new LaneStatus(name, off, total.Taken, Select(total, "passed_"), Select(total, "refused_")));
        }

        return result;
    }

    /// <summary>The lanes among <paramref name="read"/> that are on and carry nothing, because the kernel refuses a helper for each packet. Not lane 3, which then still guards.</summary>
    public static IEnumerable<(string Lane, ulong Packets)> Futile(IEnumerable<LaneStatus> read) =>
        from lane in read
        where lane is { Off: null, Taken: 0 } && lane.Lane != Lanes[^1].Name
        let packets = lane.Passed.GetValueOrDefault("helper_failed")
        where packets > 0
        select (lane.Lane, packets);

    /// <summary>One entry a node that the guard knows.</summary>
    public static Dictionary<IPAddress, PeerTraffic> ReadPeers(LaneProgram program)
    {
        var peers = new Dictionary<IPAddress, PeerTraffic>();
        foreach (var (key, perCpu) in program.Vteps.ReadAllPerCpu<VtepKey, VtepValue>())
        {
            var total = VtepValue.Sum(perCpu);
            peers[key.Address.ToIPAddress()] = new(total.PacketsOut, total.BytesOut, total.PacketsIn, total.BytesIn);
        }

        return peers;
    }

    private static Dictionary<string, ulong> Select(in LaneCounters total, string prefix)
    {
        var selected = new Dictionary<string, ulong>(StringComparer.Ordinal);
        var values = total.Values;
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] > 0 && LaneCounters.Names[i].StartsWith(prefix, StringComparison.Ordinal))
                selected[LaneCounters.Names[i][prefix.Length..]] = values[i];
        }

        return selected;
    }
}
