using System.Collections.Immutable;
using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>What the make variables say.</summary>
/// <param name="LabName"><c>LAB</c>.</param>
/// <param name="Rounds"><c>ROUNDS</c>.</param>
/// <param name="Seconds"><c>SECONDS</c>: of each measurement.</param>
/// <param name="Arms"><c>ARMS</c>.</param>
/// <param name="Cases"><c>WORKLOADS</c>.</param>
/// <param name="Gate"><c>GATE</c>: whether a floor that is missed is an error.</param>
/// <param name="Output">Where the report goes.</param>
internal sealed record BenchOptions(
    string LabName, int Rounds, int Seconds, ImmutableArray<Arm> Arms, ImmutableArray<Case> Cases, bool Gate, string Output)
{
    /// <summary>Checks every value.</summary>
    /// <exception cref="LabException">One is bad; the message names the variable and the remedy.</exception>
    public static BenchOptions Read(string lab, string rounds, string seconds, string arms, string workloads, string gate, string? output) => new(
        lab,
        Number("ROUNDS", rounds, most: 1000),
        Number("SECONDS", seconds, most: 60),
        Arm.Parse(arms),
        Case.Parse(workloads),
        gate switch
        {
            "1" => true,
            "0" => false,
            _ => throw new LabException($"GATE={gate} is unknown: use 1, or 0 to end with success whatever the figures are"),
        },
        output ?? Path.Combine(LabTools.Repository ?? Environment.CurrentDirectory, "artifacts", "bench"));

    private static int Number(string variable, string text, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most
            ? number
            : throw new LabException($"{variable}='{text}' cannot be used: give a whole number from 1 to {most}, such as {variable}=1");
}
