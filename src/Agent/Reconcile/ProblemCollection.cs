using System.Collections.Immutable;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Reconcile;

/// <summary>Problems by code.</summary>
internal static class ProblemCollection
{
    /// <summary>Adds a problem under its code; a later one with the same code wins.</summary>
    public static void Add(this ImmutableSortedDictionary<string, Problem>.Builder problems, Problem problem) =>
        problems[problem.Code] = problem;
}
