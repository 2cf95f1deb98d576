using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Reads the lanes' counters, summed over all CPUs. Safe from any thread.</summary>
internal static class LaneCounts
{
    private static readonly (OverlayLane Lane, string Name)[] Lanes = [(OverlayLane.Lane1Out, "1 out"), (OverlayLane.Lane1In, "1 in")];

    /// <summary>One entry a lane.</summary>
    public static IReadOnlyList<LaneStatus> Read(LaneProgram program)
    {
        var result = new List<LaneStatus>(Lanes.Length);
        foreach (var (lane, name) in Lanes)
        {
            var perCpu = program.LaneStats.LookupPerCpu<uint, LaneCounters>((uint)lane) ?? [];
            var total = LaneCounters.Sum(perCpu);
            result.Add(new LaneStatus(name, total.Taken, Select(total, "passed_"), Select(total, "refused_")));
        }

        return result;
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
