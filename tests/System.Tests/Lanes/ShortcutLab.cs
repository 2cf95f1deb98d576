using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Two hosts on the eBPF lanes with the shortcut as it is by default, and two containers on each.</summary>
public sealed class ShortcutLab() : SharedLab(Spec)
{
    /// <summary>What it is made of.</summary>
    public static LabSpec Spec { get; } = new() { Nodes = 2, PodsPerNode = 2, Datapath = LabSpec.BpfDatapath };
}
