using System.Collections.Immutable;
using System.Diagnostics;
using Accelerated.Lab;

namespace Accelerated.Bench.Receive;

/// <summary>
/// How many packets a host can receive, and what a flood of forged ones leaves of a flow. In a round every arm goes through all steps, and the
/// order of arms moves on by one from round to round.
/// </summary>
internal sealed class ReceiveBench(string labName, int rounds, int seconds, int steps, ImmutableArray<ReceiveArm> arms, TextWriter output)
{
    private readonly List<ReceiveSample> _samples = [];

    /// <summary>Builds the lab, measures, takes the lab down.</summary>
    /// <exception cref="LabException">Something failed, or a figure would not have been what it is called.</exception>
    public async Task<ReceiveReport> RunAsync(bool force, CancellationToken cancel)
    {
        if (Environment.ProcessorCount < 2)
            throw new LabException("sender and receiver need a CPU each, and this machine has one: no figure would say anything about the receiver");
        var begin = DateTimeOffset.Now;
        var others = await MachineLock.RequireRestAsync(force, cancel);
        await using var lab = await BenchLab.UpAsync(labName, peers: 0, cancel);
        await using var side = new ReceiveSide(lab, lab.Nodes[0], lab.Nodes[1]);
        for (var round = 1; round <= rounds; round++)
        {
            for (var i = 0; i < arms.Length; i++)
                await RunArmAsync(side, arms[(i + round - 1) % arms.Length], round, cancel);
        }

        return ReceiveReport.Of(begin, Machine.Look(), rounds, seconds, others, [.. _samples]);
    }

    private async Task RunArmAsync(ReceiveSide side, ReceiveArm arm, int round, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        await side.SwitchToAsync(arm, cancel);
        foreach (var step in arm.HasRate ? ReceiveStep.Rates.Take(steps) : [])
        {
            // What is dropped at once is nobody's packet.
            var offered = arm.BareDrop ? new ReceiveStep(0, step.Legitimate) : step;
            await AddAsync(side, arm, round, offered, isFlood: false, cancel);
        }

        foreach (var step in ReceiveStep.Floods.Take(steps))
            await AddAsync(side, arm, round, step, isFlood: true, cancel);
        var mine = _samples.Where(s => s.Round == round && s.Arm == arm.Name).ToImmutableArray();
        var most = arm.HasRate ? $"{mine.Where(s => !s.IsFlood).Max(s => s.Delivered / s.Seconds) / 1000:0} kpps at most" : "";
        await output.WriteLineAsync($"round {round}/{rounds}  {arm.Title,-32} {most,-20} {mine[^1].Kept:P1} of the flow kept beside {mine[^1].Rate / 1000:0} kpps  ({clock.Elapsed.TotalSeconds:0} s)");
    }

    private async Task AddAsync(ReceiveSide side, ReceiveArm arm, int round, ReceiveStep step, bool isFlood, CancellationToken cancel)
    {
        var outcome = await side.MeasureAsync(arm, step, seconds, cancel);
        _samples.Add(new(
            round, arm.Name, isFlood, step.Legitimate, step.Forged, outcome.Sent.Seconds, outcome.Sent.Legitimate, outcome.Sent.Forged, outcome.Flow, outcome.Forged, outcome.Refused,
            outcome.ThreadNanoseconds));
    }
}
