namespace Accelerated.Bench;

/// <summary>What one measurement gave.</summary>
/// <param name="Value">The figure, in the unit of its case.</param>
/// <param name="PerSecond">Bytes, packets, round trips or connections in a second.</param>
/// <param name="CpuPerSecond">CPU time the whole machine spent in a second, in seconds.</param>
internal sealed record Reading(double Value, double PerSecond, double CpuPerSecond)
{
    private const double NanosecondsPerSecond = 1e9;

    /// <summary>CPU time of each byte, packet, round trip or connection, in ns.</summary>
    public double CpuNanoseconds => CpuPerSecond / PerSecond * NanosecondsPerSecond;
}
