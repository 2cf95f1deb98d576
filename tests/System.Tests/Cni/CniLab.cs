using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Cni;

/// <summary>A host without an agent, and containers without interfaces: its own, and those of the other hosts are at hand as well.</summary>
public sealed class CniLab() : SharedLab(new LabSpec { Nodes = 3, PodsPerNode = 17 })
{
    /// <inheritdoc/>
    protected override Task PrepareAsync(NetworkLab lab) => Task.CompletedTask;
}
