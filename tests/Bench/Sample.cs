namespace Accelerated.Bench;

/// <summary>One measurement of one round.</summary>
/// <param name="Round">From 1.</param>
/// <param name="Arm">The arm's name.</param>
/// <param name="Case">The case's id.</param>
/// <param name="Value">In the unit of the case.</param>
/// <param name="CpuNanoseconds">CPU time of the whole machine, in the case's unit for it.</param>
/// <param name="Passage">Who carried the packets.</param>
internal sealed record Sample(int Round, string Arm, string Case, double Value, double CpuNanoseconds, Passage Passage);
