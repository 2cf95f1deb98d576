namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>A compiled object.</summary>
/// <param name="Origin">Where it is from, as a phrase; null for the agent's own binary.</param>
/// <param name="Image">The ELF file.</param>
internal sealed record LaneObject(string? Origin, byte[] Image);
