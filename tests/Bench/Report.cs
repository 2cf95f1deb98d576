using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Accelerated.Bench;

/// <summary>Everything a run found out. The file of it has these names, in camel case.</summary>
/// <param name="Label">What kind of network it was: <c>veth</c>.</param>
/// <param name="Time">When it began.</param>
/// <param name="Machine">Where.</param>
/// <param name="Rounds">How often everything was measured.</param>
/// <param name="Seconds">How long each time.</param>
/// <param name="Peers">How many leases there were beside the two hosts'.</param>
/// <param name="OthersCpu">CPU share of other programs on the machine, looked at before each round while nothing was measured: 1 is all of it.</param>
/// <param name="Verdicts">On the floors of lanes 1+2.</param>
/// <param name="Rows">Medians and spreads.</param>
/// <param name="ProgramCosts">The lanes' programs by themselves.</param>
/// <param name="Samples">Every single measurement.</param>
internal sealed record Report(
    string Label, DateTimeOffset Time, Machine Machine, int Rounds, int Seconds, int Peers, Spread OthersCpu, ImmutableArray<Verdict> Verdicts,
    ImmutableArray<Row> Rows, ImmutableArray<ProgramCost> ProgramCosts, ImmutableArray<Sample> Samples)
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Whether a floor that was measured is missed.</summary>
    public bool MissesAFloor => Verdicts.Any(v => v.Met == false);

    /// <summary>Writes <c>datapath.json</c> and <c>datapath.svg</c>.</summary>
    /// <returns>The files.</returns>
    public IReadOnlyList<string> Save(string directory)
    {
        Directory.CreateDirectory(directory);
        var (json, picture) = (Path.Combine(directory, "datapath.json"), Path.Combine(directory, "datapath.svg"));
        File.WriteAllText(json, JsonSerializer.Serialize(this, Format) + "\n");
        File.WriteAllText(picture, Picture.Draw(this));
        return [json, picture];
    }
}
