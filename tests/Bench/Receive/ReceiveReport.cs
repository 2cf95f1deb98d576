using System.Collections.Immutable;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Accelerated.Bench.Receive;

/// <summary>What a run found out about the receiving side. The file of it has these names, in camel case.</summary>
/// <param name="Time">When it began.</param>
/// <param name="Machine">Where.</param>
/// <param name="Rounds">How often everything was measured.</param>
/// <param name="Seconds">How long each step took.</param>
/// <param name="OthersCpu">CPU share of other programs before it began: 1 is all of it.</param>
/// <param name="Rates">How many packets each arm takes.</param>
/// <param name="Floods">What each flood leaves of a flow in each arm.</param>
/// <param name="Verdict">XDP guard to bare XDP_DROP beside the largest flood: ratios of what is kept of the flow in the same round; null if one of them was not measured.</param>
/// <param name="Samples">Every single measurement.</param>
internal sealed record ReceiveReport(
    DateTimeOffset Time, Machine Machine, int Rounds, int Seconds, double OthersCpu, ImmutableArray<ReceiveReport.RateRow> Rates, ImmutableArray<ReceiveReport.FloodRow> Floods,
    Spread? Verdict, ImmutableArray<ReceiveSample> Samples)
{
    /// <summary>What the XDP guard has to keep of what a bare XDP_DROP keeps.</summary>
    public const double Floor = 0.9;

    // "Without loss" with a margin: a veth's ring holds half a millisecond of packets, and a virtual machine's CPU stands still for longer.
    private const double NoLoss = 0.995;

    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Whether the floor was measured and is not met.</summary>
    public bool MissesTheFloor => Verdict is { Median: < Floor };

    /// <summary>Of a run's measurements.</summary>
    public static ReceiveReport Of(DateTimeOffset time, Machine machine, int rounds, int seconds, double others, ImmutableArray<ReceiveSample> samples)
    {
        var arms = ReceiveArm.All.Where(a => samples.Any(s => s.Arm == a.Name)).ToImmutableArray();
        var floods = ReceiveStep.Floods.Where(f => samples.Any(s => s.IsFlood && s.ForgedStep == f.Forged)).ToImmutableArray();
        return new(
            time, machine, rounds, seconds, others, [.. arms.Where(a => a.HasRate).Select(RateOf)],
            [.. arms.SelectMany(a => floods.Select(step => FloodOf(a, step)))], Judge(), samples);

        RateRow RateOf(ReceiveArm arm)
        {
            var byRound = samples.Where(s => s.Arm == arm.Name && !s.IsFlood).GroupBy(s => s.Round).ToList();
            // An arm that loses at the first step has no such rate.
            var best = byRound.Select(r => r.Where(s => s.Done >= NoLoss).MaxBy(s => s.Rate)).OfType<ReceiveSample>().ToList();
            return new(
                arm.Name, best.Count == byRound.Count ? Spread.Of(best.Select(s => s.Rate / 1000)) : null, Spread.Of(byRound.Select(r => r.Max(s => s.Delivered / s.Seconds) / 1000)),
                best.Count == 0 ? null : Spread.Of(best.Select(s => s.ThreadNanoseconds / (double)s.Delivered)));
        }

        FloodRow FloodOf(ReceiveArm arm, ReceiveStep step)
        {
            var mine = samples.Where(s => s.Arm == arm.Name && s.IsFlood && s.ForgedStep == step.Forged).ToList();
            return new(arm.Name, step.Forged, Spread.Of(mine.Select(s => s.SentForged / s.Seconds / 1000)), Spread.Of(mine.Select(s => s.Kept)), mine.Max(s => s.Forged));
        }

        Spread? Judge()
        {
            var largest = samples.Where(s => s.IsFlood && s.ForgedStep is null).ToLookup(s => s.Arm);
            var ratios = largest[ReceiveArm.Judged].Join(largest[ReceiveArm.Limit], s => s.Round, s => s.Round, (xdp, limit) => xdp.Kept / limit.Kept).ToList();
            return ratios.Count == 0 ? null : Spread.Of(ratios);
        }
    }

    /// <summary>The tables, line by line.</summary>
    public IEnumerable<string> Show()
    {
        yield return $"{Machine}";
        yield return $"{Rounds} rounds, {Seconds} s each step, median (least-most); other programs took {OthersCpu:P0} of the CPUs";
        yield return "";
        yield return $"{"VXLAN to a container, 64 B inner frames",-40} {"≤ 0.5 % lost, kpps",-24} {"most, kpps",-24} {"CPU ns/packet",-20}";
        foreach (var row in Rates)
            yield return $"  {TitleOf(row.Arm),-38} {Figures(row.WithoutLoss),-24} {Figures(row.Most),-24} {Figures(row.Nanoseconds),-20}";
        yield return "";
        yield return "kept of a flow of 50 kpps beside a flood of forged VXLAN, by thousands a second, and who refuses it";
        var steps = Floods.Select(f => f.Step).Distinct().ToList();
        yield return $"{"",-18}" + string.Concat(steps.Select(s => $"{(s is { } forged ? $"{forged}" : "all it can"),12}"));
        foreach (var arm in Floods.Select(f => f.Arm).Distinct())
            yield return $"  {GuardOf(arm),-16}" + string.Concat(Floods.Where(f => f.Arm == arm).Select(f => $"{f.Kept.Median,12:P1}"));
        yield return $"  {"(forged, kpps)",-16}" + string.Concat(steps.Select(s => $"{Floods.Where(f => f.Step == s).Average(f => f.Forged.Median),12:0}"));
        yield return "";
        if (Verdict is not null)
            yield return $"beside all that the sender can make, XDP guard to bare XDP_DROP: {Verdict.Median:0.00} ({Verdict.Least:0.00}-{Verdict.Most:0.00}), wanted ≥ {Floor:0.00}: {(MissesTheFloor ? "NOT MET" : "met")}";
    }

    /// <summary>Writes <c>receive.json</c> and <c>receive.svg</c>.</summary>
    /// <returns>The files.</returns>
    public IReadOnlyList<string> Save(string directory)
    {
        Directory.CreateDirectory(directory);
        var (json, picture) = (Path.Combine(directory, "receive.json"), Path.Combine(directory, "receive.svg"));
        File.WriteAllText(json, JsonSerializer.Serialize(this, Format) + "\n");
        File.WriteAllText(picture, ReceivePicture.Draw(this));
        return [json, picture];
    }

    private static string TitleOf(string arm) => ReceiveArm.All.Single(a => a.Name == arm).Title;

    private static string GuardOf(string arm) => ReceiveArm.All.Single(a => a.Name == arm).Guard;

    private static string Figures(Spread? spread) => spread is null ? "-" : $"{Tables.Figure(spread.Median)} ({Tables.Figure(spread.Least)}-{Tables.Figure(spread.Most)})";

    /// <summary>What an arm takes.</summary>
    /// <param name="Arm">Its <see cref="ReceiveArm.Name"/>.</param>
    /// <param name="WithoutLoss">The highest rate at which at most one packet in 200 was lost, thousands in a second; null: it lost more in every step.</param>
    /// <param name="Most">The most that it delivered, whatever was lost, thousands in a second.</param>
    /// <param name="Nanoseconds">CPU time of the receiving thread for each packet, at <paramref name="WithoutLoss"/>.</param>
    internal sealed record RateRow(string Arm, Spread? WithoutLoss, Spread Most, Spread? Nanoseconds);

    /// <summary>What is left of a flow.</summary>
    /// <param name="Arm">Its <see cref="ReceiveArm.Name"/>.</param>
    /// <param name="Step">Of the <see cref="ReceiveStep"/>.</param>
    /// <param name="Forged">Thousands of forged packets that were sent in a second.</param>
    /// <param name="Kept">Share of the flow that reached the container.</param>
    /// <param name="ForgedDelivered">Forged packets that reached it, the most in a round.</param>
    internal sealed record FloodRow(string Arm, int? Step, Spread Forged, Spread Kept, ulong ForgedDelivered);
}
