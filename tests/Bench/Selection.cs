using System.Collections.Immutable;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>A make variable that chooses some of what there is.</summary>
internal static class Selection
{
    /// <summary>Everything.</summary>
    public const string All = "all";

    /// <summary>The chosen ones, in the order of <paramref name="known"/>.</summary>
    /// <exception cref="LabException">A name is unknown, or none is given.</exception>
    public static ImmutableArray<T> Parse<T>(string variable, string list, ImmutableArray<T> known, Func<T, string> name)
    {
        var names = list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var remedy = $"give {All}, or some of {string.Join(',', known.Select(name).Distinct())}";
        if (names.Except([All, .. known.Select(name)]).FirstOrDefault() is { } unknown)
            throw new LabException($"{variable}={list}: '{unknown}' is unknown: {remedy}");
        if (names.Length == 0)
            throw new LabException($"{variable}='{list}' chooses nothing: {remedy}");
        return names.Contains(All) ? known : [.. known.Where(item => names.Contains(name(item)))];
    }
}
