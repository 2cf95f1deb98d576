namespace Accelerated.Bench;

/// <summary>All measurements of a case in an arm.</summary>
/// <param name="Case">The case's id.</param>
/// <param name="Arm">The arm's name.</param>
/// <param name="Value">In the unit of the case.</param>
/// <param name="CpuNanoseconds">In the case's unit for it.</param>
/// <param name="Ratio">To the driver's figure of the same round; null where there is none.</param>
/// <param name="CpuRatio">The same of the CPU time.</param>
internal sealed record Row(string Case, string Arm, Spread Value, Spread CpuNanoseconds, Spread? Ratio, Spread? CpuRatio);
