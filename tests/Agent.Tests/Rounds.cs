using System.Globalization;

namespace Accelerated.Agent.Tests;

/// <summary>Property tests: many rounds, each with a random source of its own whose seed is printed when the round fails.</summary>
internal static class Rounds
{
    private const string Variable = "ACCELERATED_SEED";

    /// <summary>Runs <paramref name="round"/> so often, or once with the seed in ACCELERATED_SEED.</summary>
    internal static void Run(int count, Action<Random> round)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given)
        {
            round(new Random(int.Parse(given, CultureInfo.InvariantCulture)));
            return;
        }

        for (var i = 0; i < count; i++)
        {
            var seed = Random.Shared.Next();
            try
            {
                round(new Random(seed));
            }
            catch (Exception e)
            {
                Assert.Fail($"round {i} failed, repeat it with {Variable}={seed}: {e}");
            }
        }
    }

    internal static T Pick<T>(this Random random, IReadOnlyList<T> items) => items[random.Next(items.Count)];

    /// <summary>True in so many of a hundred cases.</summary>
    internal static bool Percent(this Random random, int percent) => random.Next(100) < percent;
}
