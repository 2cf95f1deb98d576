using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Soak;

/// <summary>What the make variables say.</summary>
/// <param name="LabName"><c>LAB</c>.</param>
/// <param name="Duration"><c>MINUTES</c>: how long faults are made.</param>
/// <param name="Seed"><c>SEED</c>.</param>
/// <param name="Output">Where the report goes.</param>
internal sealed record SoakOptions(string LabName, TimeSpan Duration, int Seed, string Output)
{
    private const double MostMinutes = 24 * 60;

    /// <summary>Checks every value.</summary>
    /// <exception cref="LabException">One is bad; the message names the variable and the remedy.</exception>
    public static SoakOptions Read(string lab, string minutes, string seed, string? output) => new(
        lab,
        double.TryParse(minutes, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= MostMinutes
            ? TimeSpan.FromMinutes(number)
            : throw new LabException($"MINUTES='{minutes}' cannot be used: give a number above 0 and up to {MostMinutes}, such as MINUTES=10"),
        seed.Length == 0 ? Random.Shared.Next(1, 1_000_000)
            : int.TryParse(seed, NumberStyles.None, CultureInfo.InvariantCulture, out var given) ? given
            : throw new LabException($"SEED='{seed}' cannot be used: give a whole number, such as SEED=7, or none"),
        output ?? Path.Combine(LabTools.Repository ?? Environment.CurrentDirectory, "artifacts", "soak"));
}
