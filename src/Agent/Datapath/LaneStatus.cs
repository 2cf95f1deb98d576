namespace Accelerated.Agent.Datapath;

/// <summary>What one lane did since its maps were made.</summary>
/// <param name="Lane">Name of the lane, for example <c>1 out</c>.</param>
/// <param name="Off">Why it carries nothing now, or null while it is in use.</param>
/// <param name="Taken">Packets it carried.</param>
/// <param name="Passed">Packets it left to the next slower lane, by reason.</param>
/// <param name="Refused">Packets the guard refused, or would refuse where it only observes, by reason.</param>
public sealed record LaneStatus(string Lane, string? Off, ulong Taken, IReadOnlyDictionary<string, ulong> Passed, IReadOnlyDictionary<string, ulong> Refused);
