using System.Globalization;

namespace Accelerated.Agent.Tests;

/// <summary>Property tests: many rounds, each with a random source of its own whose seed is printed when the round fails.</summary>
internal static class Rounds
{
    private const string Variable = "ACCELERATED_SEED";

    /// <summary>Runs <paramref name="round"/> so often, or once with the seed in ACCELERATED_SEED.</summary>
    internal static void Run(int count, Action<Random> round)
    {
        var seeds = Seeds(count);
        for (var i = 0; i < seeds.Length; i++)
        {
            try
            {
                round(new Random(seeds[i]));
            }
            catch (Exception e)
            {
                Fail(i, seeds[i], e);
            }
        }
    }

    /// <summary>As <see cref="Run"/>, for rounds that wait for something.</summary>
    /// <returns>How many rounds there were.</returns>
    internal static async Task<int> RunAsync(int count, Func<Random, Task> round)
    {
        var seeds = Seeds(count);
        for (var i = 0; i < seeds.Length; i++)
        {
            try
            {
                await round(new Random(seeds[i]));
            }
            catch (Exception e)
            {
                Fail(i, seeds[i], e);
            }
        }

        return seeds.Length;
    }

    private static int[] Seeds(int count) => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given
        ? [int.Parse(given, CultureInfo.InvariantCulture)]
        : [.. Enumerable.Range(0, count).Select(_ => Random.Shared.Next())];

    private static void Fail(int round, int seed, Exception e) => Assert.Fail($"round {round} failed, repeat it with {Variable}={seed}: {e}");

    internal static T Pick<T>(this Random random, IReadOnlyList<T> items) => items[random.Next(items.Count)];

    /// <summary>True in so many of a hundred cases.</summary>
    internal static bool Percent(this Random random, int percent) => random.Next(100) < percent;
}
