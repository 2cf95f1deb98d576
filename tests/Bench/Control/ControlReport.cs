using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Accelerated.Bench.Control;

/// <summary>What a run found out about the control plane. The file of it has these names, in camel case.</summary>
/// <param name="Time">When it began.</param>
/// <param name="Machine">Where.</param>
/// <param name="Rounds">How often everything was measured.</param>
/// <param name="OthersCpu">CPU share of other programs before it began: 1 is all of it.</param>
/// <param name="Rows">A row for each case and datapath.</param>
internal sealed record ControlReport(DateTimeOffset Time, Machine Machine, int Rounds, double OthersCpu, ImmutableArray<ControlReport.Row> Rows)
{
    /// <summary>The datapath that is judged: the one an agent has that was told nothing.</summary>
    public const string Judged = "auto";

    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Whether something wanted is not there.</summary>
    public bool Misses => Rows.Any(r => r.Met == false);

    /// <summary>The table, line by line.</summary>
    public IEnumerable<string> Show()
    {
        yield return $"{Machine}";
        yield return $"{Rounds} rounds, median (least-most); other programs took {OthersCpu:P0} of the CPUs";
        yield return "";
        yield return $"{"",-52} {"datapath",-8} {"",22} {"flannel*",12} {"wanted",8}";
        foreach (var row in Rows)
        {
            var figure = $"{Tables.Figure(row.Value.Median)} ({Tables.Figure(row.Value.Least)}-{Tables.Figure(row.Value.Most)})";
            yield return $"{$"{row.Title}, {row.Unit}",-52} {row.Datapath,-8} {figure,22} {row.Flannel ?? "-",12} "
                + row.Met switch { null => "", true => $"≤ {row.Wanted}, met", false => $"≤ {row.Wanted}, NOT MET" };
        }

        yield return "";
        yield return "* v0.20.2 as recorded on a machine of this kind, not in this run; it has no eBPF";
    }

    /// <summary>Writes <c>control.json</c>.</summary>
    /// <returns>The file.</returns>
    public string Save(string directory)
    {
        Directory.CreateDirectory(directory);
        var file = Path.Combine(directory, "control.json");
        File.WriteAllText(file, JsonSerializer.Serialize(this, Format) + "\n");
        return file;
    }

    /// <summary>One thing on one datapath.</summary>
    /// <param name="Case">Its <see cref="ControlCase.Id"/>.</param>
    /// <param name="Title">In words.</param>
    /// <param name="Unit">In what.</param>
    /// <param name="Datapath">The agent's <c>--datapath</c>.</param>
    /// <param name="Value">Over the rounds.</param>
    /// <param name="Flannel">flannel's, as recorded.</param>
    /// <param name="Wanted">At most this.</param>
    /// <param name="Met">Whether; null for a datapath that is not judged.</param>
    internal sealed record Row(string Case, string Title, string Unit, string Datapath, Spread Value, string? Flannel, double Wanted, bool? Met);
}
