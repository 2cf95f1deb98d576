namespace Accelerated.Bench;

/// <summary>A report for a terminal.</summary>
internal static class Tables
{
    private const double Quiet = 0.1;

    /// <summary>All of it, line by line.</summary>
    public static IEnumerable<string> Show(Report report)
    {
        yield return $"{report.Machine}";
        yield return $"{report.Rounds} x {report.Seconds} s, {report.Peers} more peers; median (least-most); ratios are to kernel vxlan in the same round";
        yield return $"other programs took {report.OthersCpu.Median:P0} of the CPUs ({report.OthersCpu.Least:P0}-{report.OthersCpu.Most:P0})";
        if (report.OthersCpu.Median > Quiet)
            yield return "so the machine was not quiet: ratios scatter, and CPU times count the others' work too";
        foreach (var measured in Case.All.Where(c => report.Rows.Any(r => r.Case == c.Id)))
        {
            yield return "";
            yield return $"{$"{measured.Title}, {measured.Unit}",-38} {"",22} {"ratio",-18} {measured.CpuUnit,16} {"ratio",8}";
            foreach (var row in report.Rows.Where(r => r.Case == measured.Id))
            {
                yield return $"  {Arm.All.Single(a => a.Name == row.Arm).Title,-20} {Figure(row.Value.Median),10} {$"({Figure(row.Value.Least)}-{Figure(row.Value.Most)})",-26}"
                    + $"  {Ratio(row.Ratio),-18} {Figure(row.CpuNanoseconds.Median),16} {row.CpuRatio?.Median,8:0.00}";
            }
        }

        foreach (var line in Costs(report))
            yield return line;

        yield return "";
        yield return $"{"floors for lanes 1+2 against kernel vxlan",-44} {"wanted",-10} {"ratio",-18}";
        foreach (var verdict in report.Verdicts)
        {
            yield return $"  {verdict.Title,-42} {verdict.Floor,-10} {Ratio(verdict.Ratio),-18} "
                + verdict.Met switch { true => "met", false => "NOT MET", null => $"skipped: {verdict.Skipped}" };
        }
    }

    /// <summary>Three digits that matter.</summary>
    public static string Figure(double value) => value switch
    {
        >= 100 => $"{value:0}",
        >= 10 => $"{value:0.0}",
        >= 1 => $"{value:0.00}",
        _ => $"{value:0.000}",
    };

    private static IEnumerable<string> Costs(Report report)
    {
        if (report.ProgramCosts.IsEmpty)
            yield break;
        yield return "";
        yield return $"{"the lanes' programs by themselves",-38} {"host",-6} {"load",-10} {"packets",12} {"ns/packet",12}";
        foreach (var cost in report.ProgramCosts)
            yield return $"  {Arm.All.Single(a => a.Name == cost.Arm).Title,-14} {cost.Program,-21} {cost.Node,-6} {cost.Case,-10} {cost.Runs,12} {Figure(cost.Nanoseconds),12}";
    }

    private static string Ratio(Spread? ratio) => ratio is null ? "" : $"{ratio.Median:0.00} ({ratio.Least:0.00}-{ratio.Most:0.00})";
}
