using System.Text.Encodings.Web;
using System.Text.Json;

namespace Accelerated.Soak;

/// <summary>What a run found.</summary>
/// <param name="Seed">Makes the same faults again.</param>
/// <param name="Begin">When it began.</param>
/// <param name="FaultSeconds">How long faults were made.</param>
/// <param name="Faults">Each, in order of its end.</param>
/// <param name="Findings">What should not be; empty where all is well.</param>
/// <param name="Pings">What became of the echo requests.</param>
/// <param name="Streams">Bytes each TCP stream carried.</param>
/// <param name="Agents">What each agent held after its start and at the end.</param>
/// <param name="LogLines">Lines of level warn and above that faults explain, by their number.</param>
/// <param name="Samples">What the agents held all the time.</param>
internal sealed record SoakReport(
    int Seed, DateTimeOffset Begin, double FaultSeconds, IReadOnlyList<SoakReport.FaultLine> Faults, IReadOnlyList<string> Findings,
    IReadOnlyList<SoakReport.PingLine> Pings, IReadOnlyDictionary<string, long> Streams, IReadOnlyList<SoakReport.AgentLine> Agents, int LogLines,
    IReadOnlyList<Vitals> Samples)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A fault.</summary>
    public sealed record FaultLine(int Number, string Name, string Place, string Detail, DateTimeOffset Begin, DateTimeOffset End, int PacketsLost);

    /// <summary>The pings between two hosts.</summary>
    public sealed record PingLine(string From, string To, int Sent, int Lost, int Unexplained);

    /// <summary>An agent at the beginning of its last life, and at the end.</summary>
    public sealed record AgentLine(string Node, int DescriptorsBefore, int DescriptorsAfter, long PssBefore, long PssAfter, double Seconds);

    /// <summary>One line for whoever looks at the end only.</summary>
    public string Verdict =>
        $"soak: {(Findings.Count == 0 ? "green" : "RED")}: seed {Seed}, {FaultSeconds:0} s, {Faults.Count} faults, {Pings.Sum(p => p.Sent)} pings, "
        + $"{Pings.Sum(p => p.Lost)} lost ({Pings.Sum(p => p.Unexplained)} unexplained), "
        + $"descriptors {string.Join(' ', Agents.Select(a => $"{a.DescriptorsAfter - a.DescriptorsBefore:+0;-0;±0}"))}, "
        + $"memory {string.Join(' ', Agents.Select(a => $"{(a.PssAfter - a.PssBefore) / 1024.0:+0.0;-0.0;±0.0}"))} MB, "
        + (Findings.Count == 0 ? "every node as a fresh one" : $"{Findings.Count} findings");

    /// <summary>Writes it as JSON.</summary>
    /// <returns>The file.</returns>
    public string Save(string folder)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, $"soak-{Seed}.json");
        File.WriteAllText(file, JsonSerializer.Serialize(this, Json) + "\n");
        return file;
    }
}
