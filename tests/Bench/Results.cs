using System.Collections.Immutable;

namespace Accelerated.Bench;

/// <summary>What samples say when they are put together. Ratios are taken within a round, where both figures were measured close together.</summary>
internal static class Results
{
    /// <summary>A row for each case in each arm that was measured, in the order of cases and arms.</summary>
    public static ImmutableArray<Row> Rows(IReadOnlyCollection<Sample> samples)
    {
        var rows = ImmutableArray.CreateBuilder<Row>();
        foreach (var (measured, arm) in Case.All.SelectMany(c => Arm.All.Select(a => (c, a))))
        {
            var own = Of(samples, measured.Id, arm.Name);
            if (own.Count == 0)
                continue;
            var reference = Of(samples, measured.Id, Arm.Reference);
            var pairs = own.Values.Where(s => reference.ContainsKey(s.Round)).Select(s => (Own: s, Driver: reference[s.Round])).ToList();
            rows.Add(new Row(
                measured.Id, arm.Name, Spread.Of(own.Values.Select(s => s.Value)), Spread.Of(own.Values.Select(s => s.CpuNanoseconds)),
                pairs.Count == 0 ? null : Spread.Of(pairs.Select(p => p.Own.Value / p.Driver.Value)),
                pairs.Count == 0 ? null : Spread.Of(pairs.Select(p => p.Own.CpuNanoseconds / p.Driver.CpuNanoseconds))));
        }

        return rows.ToImmutable();
    }

    /// <summary>A verdict on every floor.</summary>
    public static ImmutableArray<Verdict> Judge(IReadOnlyCollection<Row> rows) => [.. Case.All.Select(measured =>
    {
        var row = rows.SingleOrDefault(r => r.Case == measured.Id && r.Arm == Arm.Judged);
        var skipped = rows.All(r => r.Arm != Arm.Judged) ? $"the arm '{Arm.Judged}' was not run (ARMS)"
            : row is null ? $"'{measured.Workload}' was not measured (WORKLOADS)"
            : row.Ratio is null ? $"the arm '{Arm.Reference}' was not run (ARMS)"
            : null;
        return new Verdict(
            measured.Id, measured.Title, measured.Floor.ToString(), row?.Ratio, skipped is null ? measured.Floor.IsMetBy(row!.Ratio!.Median) : null, skipped);
    })];

    private static Dictionary<int, Sample> Of(IEnumerable<Sample> samples, string measured, string arm) =>
        samples.Where(s => s.Case == measured && s.Arm == arm).ToDictionary(s => s.Round);
}
