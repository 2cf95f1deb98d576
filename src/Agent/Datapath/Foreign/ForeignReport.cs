using Accelerated.Agent.State;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>What a pass did to other people's chains.</summary>
/// <param name="Changes">What was changed, in words.</param>
/// <param name="Problems">What refuses the overlay's packets all the same.</param>
/// <param name="LookAgain">When to look again without being told; null if changes are told.</param>
public sealed record ForeignReport(IReadOnlyList<string> Changes, IReadOnlyList<Problem> Problems, TimeSpan? LookAgain);
