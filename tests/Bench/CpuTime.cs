using System.Diagnostics;
using System.Globalization;

namespace Accelerated.Bench;

/// <summary>
/// CPU time that the whole machine has spent so far, interrupts and softirqs included: what a packet costs is spent in whichever
/// context it arrives in.
/// </summary>
/// <param name="Seconds">Over all CPUs.</param>
/// <param name="Timestamp">When it was read, by <see cref="Stopwatch"/>.</param>
internal readonly record struct CpuTime(double Seconds, long Timestamp)
{
    // Ticks of /proc/stat in a second: USER_HZ, the same on every architecture .NET runs on.
    private const double TicksPerSecond = 100;

    // user nice system idle iowait irq softirq steal …; guest time is in user already (proc(5)).
    private static readonly int[] Busy = [1, 2, 3, 6, 7];

    /// <summary>Reads /proc/stat.</summary>
    public static CpuTime Read()
    {
        var now = Stopwatch.GetTimestamp();
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return new(Busy.Sum(f => double.Parse(fields[f], CultureInfo.InvariantCulture)) / TicksPerSecond, now);
    }

    /// <summary>CPU seconds in each second of wall time since then.</summary>
    public double PerSecondSince(CpuTime earlier) => (Seconds - earlier.Seconds) / Stopwatch.GetElapsedTime(earlier.Timestamp, Timestamp).TotalSeconds;
}
