using System.Collections.Immutable;

namespace Accelerated.Bench.Control;

/// <summary>One thing that is measured about the control plane. Less is better, everywhere.</summary>
/// <param name="Id">Name in the JSON.</param>
/// <param name="Title">What it is.</param>
/// <param name="Unit">In what.</param>
/// <param name="Flannel">What flannel v0.20.2 had when it was recorded on this kind of machine; null where that was not looked at.</param>
/// <param name="Wanted">What is wanted at most of the median.</param>
internal sealed record ControlCase(string Id, string Title, string Unit, string? Flannel, double Wanted)
{
    public static readonly ControlCase RouteMedian = new("route-median", "etcd's answer to a put until the route, median", "ms", "0.70", 0.4);
    public static readonly ControlCase RouteP95 = new("route-p95", "the same, 95th percentile", "ms", "1.12", 1.0);
    public static readonly ControlCase Cold = new("cold-start", "start with 5,000 peers until all routes are in", "s", "3.1", 0.8);
    public static readonly ControlCase ColdCpu = new("cold-start-cpu", "CPU time for that", "s", "1.4", 0.8);
    public static readonly ControlCase IdlePss = new("idle-pss", "memory (Pss) without peers", "MB", "34-43 (RSS)", 40);
    public static readonly ControlCase IdleDirty = new("idle-dirty", "private dirty memory without peers", "MB", null, 16);
    public static readonly ControlCase FullPss = new("full-pss", "memory (Pss) with 5,000 peers", "MB", "36-52 (RSS)", 52);

    /// <summary>All, in the order of the table.</summary>
    public static ImmutableArray<ControlCase> All { get; } = [RouteMedian, RouteP95, Cold, ColdCpu, IdlePss, IdleDirty, FullPss];
}
