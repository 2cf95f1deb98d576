using System.Collections.Immutable;
using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>What the make variables say.</summary>
/// <param name="LabName"><c>LAB</c>.</param>
/// <param name="Rounds"><c>ROUNDS</c>.</param>
/// <param name="Seconds"><c>SECONDS</c>: of each measurement.</param>
/// <param name="Peers"><c>PEERS</c>: how many leases there are beside the two hosts'.</param>
/// <param name="Arms"><c>ARMS</c>.</param>
/// <param name="Cases"><c>WORKLOADS</c>.</param>
/// <param name="Gate"><c>GATE</c>: whether a floor that is missed is an error.</param>
/// <param name="Output">Where the report goes.</param>
internal sealed record BenchOptions(
    string LabName, int Rounds, int Seconds, int Peers, ImmutableArray<Arm> Arms, ImmutableArray<Case> Cases, bool Gate, string Output)
{
    /// <summary>Checks every value.</summary>
    /// <exception cref="LabException">One is bad; the message names the variable and the remedy.</exception>
    public static BenchOptions Read(string lab, string rounds, string seconds, string peers, string arms, string workloads, string gate, string? output) => new(
        lab,
        Number("ROUNDS", rounds, 1, 1000),
        Number("SECONDS", seconds, 1, 60),
        Number("PEERS", peers, 0, 12_000),
        Arm.Parse(arms),
        Case.Parse(workloads),
        gate switch
        {
            "1" => true,
            "0" => false,
            _ => throw new LabException($"GATE={gate} is unknown: use 1, or 0 to end with success whatever the figures are"),
        },
        output ?? Path.Combine(LabTools.Repository ?? Environment.CurrentDirectory, "artifacts", "bench"));

    /// <summary>A number that a variable gives.</summary>
    /// <exception cref="LabException">It is none, or out of bounds; the message names the variable.</exception>
    public static int Number(string variable, string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw new LabException($"{variable}='{text}' cannot be used: give a whole number from {least} to {most}, such as {variable}={least}");
}
