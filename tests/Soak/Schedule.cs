using System.Collections.Immutable;
using Accelerated.Soak.Faults;

namespace Accelerated.Soak;

/// <summary>A fault that is to happen.</summary>
/// <param name="Number">Its place in the order, from 1.</param>
/// <param name="At">When, counted from the beginning of the run.</param>
/// <param name="Hold">How long it lasts.</param>
/// <param name="Fault">What.</param>
/// <param name="Seed">For what the fault leaves open.</param>
internal sealed record Planned(int Number, TimeSpan At, TimeSpan Hold, Fault Fault, int Seed);

/// <summary>
/// All that happens in a run, drawn before it begins: one seed gives one schedule, however fast the machine is. Kinds are dealt like cards,
/// so that each has its turn before any comes twice.
/// </summary>
internal static class Schedule
{
    private const double ShortestPause = 0.3;
    private const double LongestPause = 2.5;
    private const double ShortestHold = 0.3;

    /// <summary>Draws a schedule.</summary>
    /// <param name="kinds">The faults, by kind.</param>
    /// <param name="seed">Decides all.</param>
    /// <param name="duration">Nothing begins later.</param>
    public static ImmutableArray<Planned> Draw(IReadOnlyList<IReadOnlyList<Fault>> kinds, int seed, TimeSpan duration)
    {
        var random = new Random(seed);
        var (plan, used, deck) = (ImmutableArray.CreateBuilder<Planned>(), new HashSet<Fault>(), new Stack<IReadOnlyList<Fault>>());
        for (var at = TimeSpan.Zero; at < duration; at += Seconds(random, ShortestPause, LongestPause))
        {
            if (deck.Count == 0)
                deck = new Stack<IReadOnlyList<Fault>>(Shuffled(kinds, random));
            var possible = deck.Pop().Where(f => !f.IsRare || !used.Contains(f)).ToList();
            if (possible.Count == 0)
                continue;
            var fault = possible[random.Next(possible.Count)];
            used.Add(fault);
            var hold = fault.Longest == TimeSpan.Zero ? TimeSpan.Zero : Seconds(random, ShortestHold, fault.Longest.TotalSeconds);
            plan.Add(new Planned(plan.Count + 1, at, hold, fault, random.Next()));
        }

        return plan.DrainToImmutable();
    }

    private static TimeSpan Seconds(Random random, double least, double most) => TimeSpan.FromSeconds(least + (random.NextDouble() * (most - least)));

    private static IReadOnlyList<Fault>[] Shuffled(IReadOnlyList<IReadOnlyList<Fault>> kinds, Random random)
    {
        var all = kinds.ToArray();
        random.Shuffle(all);
        return all;
    }
}
