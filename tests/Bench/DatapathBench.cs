using System.Collections.Immutable;
using System.Diagnostics;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>
/// Measures the arms against each other. In a round every case goes through all arms, one right after the other, and the order moves on
/// by one from round to round, so that what else happens on the machine hits all of them alike.
/// </summary>
internal sealed class DatapathBench(BenchOptions options, TextWriter output)
{
    private static readonly TimeSpan IdleLook = TimeSpan.FromMilliseconds(500);

    private readonly List<Sample> _samples = [];
    private readonly List<double> _others = [];

    private TimeSpan Duration => TimeSpan.FromSeconds(options.Seconds);

    /// <summary>Builds the lab, measures, takes the lab down.</summary>
    /// <exception cref="LabException">Something failed, or a figure would not have been what it is called.</exception>
    public async Task<Report> RunAsync(CancellationToken cancel)
    {
        var begin = DateTimeOffset.Now;
        await using var lab = await BenchLab.UpAsync(options.LabName, options.Peers, cancel);
        try
        {
            for (var round = 1; round <= options.Rounds; round++)
            {
                await LookAtOthersAsync(cancel);
                foreach (var measured in options.Cases)
                    await RunCaseAsync(lab, measured, round, cancel);
            }

            var costs = await RunCostsAsync(lab, cancel);
            var rows = Results.Rows(_samples);
            return new Report(
                "veth", begin, Machine.Look(), options.Rounds, options.Seconds, options.Peers, Spread.Of(_others), Results.Judge(rows), rows, costs, [.. _samples]);
        }
        catch (LabException)
        {
            if (lab.SaveLogs() is { } logs)
                await Console.Error.WriteLineAsync($"logs are kept in {logs}");
            throw;
        }
    }

    private IEnumerable<Arm> Rotated(int by) => options.Arms.Select((_, i) => options.Arms[(i + by) % options.Arms.Length]);

    private async Task RunCaseAsync(BenchLab lab, Case measured, int round, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        await lab.SetLinkAsync(measured.Segmentation, cancel);
        var figures = new List<string>();
        foreach (var arm in Rotated(round - 1).Where(measured.AppliesTo))
        {
            await lab.SwitchToAsync(arm, cancel);
            var (reading, passage) = await lab.MeasureAsync(arm, measured, Duration, cancel);
            _samples.Add(new Sample(round, arm.Name, measured.Id, reading.Value, reading.CpuNanoseconds, passage));
            figures.Add($"{arm.Name} {Tables.Figure(reading.Value)}");
        }

        await output.WriteLineAsync(
            $"round {round}/{options.Rounds}  {$"{measured.Title}, {measured.Unit}",-32} {string.Join("  ", figures)}  ({clock.Elapsed.TotalSeconds:0} s)");
    }

    private async Task<ImmutableArray<ProgramCost>> RunCostsAsync(BenchLab lab, CancellationToken cancel)
    {
        var costs = ImmutableArray<ProgramCost>.Empty;
        foreach (var arm in options.Arms.Where(a => a.Carrier is Carrier.Lane1 or Carrier.Shortcut))
        {
            await lab.SwitchToAsync(arm, cancel);
            await lab.SetLinkAsync(segmentation: true, cancel);
            costs = costs.AddRange(await LaneCosts.MeasureAsync(lab, arm, options.Cases, Duration, cancel));
        }

        return costs;
    }

    /// <summary>While nothing is measured, what is busy is somebody else, and the agents and etcd at rest.</summary>
    private async Task LookAtOthersAsync(CancellationToken cancel)
    {
        var before = CpuTime.Read();
        await Task.Delay(IdleLook, cancel);
        _others.Add(CpuTime.Read().PerSecondSince(before) / Environment.ProcessorCount);
    }
}
