using System.Collections.Immutable;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netlink;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>
/// What the kernel says each run of a lane's program takes. Measured apart from the rounds, because the looks at the clock cost
/// something too, and in every BPF program on the machine.
/// </summary>
internal static class LaneCosts
{
    // Programs that see a packet now and then say nothing.
    private const ulong FewestRuns = 100;

    private static readonly string[] Workloads = ["stream", "udp64", "rr"];

    /// <summary>Runs the loads that say most about an arm, on the link that is set.</summary>
    /// <exception cref="LabException">A load failed, or something else carried its packets.</exception>
    public static async Task<ImmutableArray<ProgramCost>> MeasureAsync(
        BenchLab lab, Arm arm, IReadOnlyCollection<Case> cases, TimeSpan duration, CancellationToken cancel)
    {
        var costs = ImmutableArray.CreateBuilder<ProgramCost>();
        using var statistics = BpfRunTimeStats.Enable();
        foreach (var measured in cases.Where(c => c.Segmentation && Workloads.Contains(c.Workload)))
        {
            var before = RunTimes(lab);
            await lab.MeasureAsync(arm, measured, duration, cancel);
            foreach (var (program, after) in RunTimes(lab))
            {
                var (runs, time) = (after.Runs - before.GetValueOrDefault(program).Runs, after.Nanoseconds - before.GetValueOrDefault(program).Nanoseconds);
                if (runs >= FewestRuns)
                    costs.Add(new ProgramCost(arm.Name, measured.Id, program.Node, program.Name, runs, (double)time / runs));
            }
        }

        return costs.ToImmutable();
    }

    /// <summary>All programs on the tcx hooks of the nodes: of the tunnel device, the underlay and the containers' veths.</summary>
    private static SortedDictionary<(int Node, string Name, uint Id), BpfRunTime> RunTimes(BenchLab lab)
    {
        var times = new SortedDictionary<(int, string, uint), BpfRunTime>();
        foreach (var node in lab.Nodes)
        {
            foreach (var id in NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{node.Namespace}", Programs))
            {
                using var program = BpfProgram.OpenById(id);
                if (program is not null)
                    times[(node.Number, program.Name, program.Id)] = program.RunTime;
            }
        }

        return times;
    }

    private static HashSet<uint> Programs()
    {
        using var routes = RouteSocket.Open();
        return [.. routes.GetLinks().SelectMany(link => TcxQuery.Programs(link.Index, TcxHook.Ingress).Concat(TcxQuery.Programs(link.Index, TcxHook.Egress)))];
    }
}
