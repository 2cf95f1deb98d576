namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>What became of the maps in one pass.</summary>
/// <param name="Changes">Each change, in words.</param>
/// <param name="Full">Maps that had no room, with how many entries they hold and how many were left out. The driver carries those.</param>
internal sealed record LaneMapReport(IReadOnlyList<string> Changes, IReadOnlyList<(string Map, int Capacity, int LeftOut)> Full);
