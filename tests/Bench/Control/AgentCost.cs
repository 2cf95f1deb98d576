using System.Globalization;

namespace Accelerated.Bench.Control;

/// <summary>What a process costs, as proc(5) tells.</summary>
internal static class AgentCost
{
    private const double TicksPerSecond = 100; // USER_HZ.

    /// <summary>User and system time of a process so far: fields 14 and 15 of proc(5), counted behind the name in parentheses.</summary>
    public static double CpuSeconds(int process)
    {
        var text = File.ReadAllText($"/proc/{process}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>Memory in MB, from smaps_rollup: its share of what it shares, and what is its own and written to.</summary>
    public static (double Pss, double Dirty) Memory(int process)
    {
        var lines = File.ReadAllLines($"/proc/{process}/smaps_rollup");
        return (Field("Pss:"), Field("Private_Dirty:"));

        double Field(string name) =>
            long.Parse(lines.Single(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1000.0 * 1.024;
    }
}
