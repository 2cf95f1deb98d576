using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Reads the lanes' counters, summed over all CPUs. Safe from any thread.</summary>
internal static class LaneCounts
{
    private static readonly string[] Names = ["1 out", "1 in"];

    /// <summary>One entry a lane.</summary>
    public static IReadOnlyList<LaneStatus> Read(LaneProgram program)
    {
        var result = new List<LaneStatus>(Names.Length);
        for (var lane = 0u; lane < Names.Length; lane++)
        {
            var total = new ulong[LaneCounters.Names.Count];
            foreach (var one in program.LaneStats.LookupPerCpu<uint, LaneCounters>(lane))
            {
                for (var i = 0; i < total.Length; i++)
                    total[i] += one[i];
            }

            result.Add(new LaneStatus(Names[lane], total[0], Select(total, "passed_"), Select(total, "refused_")));
        }

        return result;
    }

    private static Dictionary<string, ulong> Select(ulong[] total, string prefix)
    {
        var selected = new Dictionary<string, ulong>(StringComparer.Ordinal);
        for (var i = 0; i < total.Length; i++)
        {
            if (total[i] > 0 && LaneCounters.Names[i].StartsWith(prefix, StringComparison.Ordinal))
                selected[LaneCounters.Names[i][prefix.Length..]] = total[i];
        }

        return selected;
    }
}
