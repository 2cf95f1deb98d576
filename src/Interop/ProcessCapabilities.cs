using System.Globalization;

namespace Accelerated.Interop;

/// <summary>What this process may do, as the kernel sees it (capabilities(7)).</summary>
public static class ProcessCapabilities
{
    private const string Field = "CapEff:";

    /// <summary>Whether a capability is in the effective set.</summary>
    /// <exception cref="InvalidDataException">/proc/self/status has no CapEff line.</exception>
    public static bool Has(Capability capability) => (ParseEffective(File.ReadLines("/proc/self/status")) >> (int)capability & 1) != 0;

    /// <summary>Reads the effective set, one bit per capability, from the lines of a status file (proc(5)).</summary>
    internal static ulong ParseEffective(IEnumerable<string> status)
    {
        foreach (var line in status)
        {
            if (line.StartsWith(Field, StringComparison.Ordinal)
                && ulong.TryParse(line.AsSpan(Field.Length).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var set))
                return set;
        }

        throw new InvalidDataException($"/proc/self/status has no {Field} line");
    }
}
