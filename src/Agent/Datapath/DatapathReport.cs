using System.Net;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Datapath;

/// <summary>What one pass did.</summary>
/// <param name="Changes">Each change made, in words, in order.</param>
/// <param name="Failures">Changes the kernel refused.</param>
/// <param name="RetryAfter">When a refused change is due again, or null when none is.</param>
/// <param name="Interfaces">ifindexes whose events concern the datapath (devices and underlay).</param>
public sealed record DatapathReport(
    IReadOnlyList<string> Changes, IReadOnlyList<DatapathFailure> Failures, TimeSpan? RetryAfter, IReadOnlySet<int> Interfaces)
{
    /// <summary>What was done because containers came or went, in words: nothing that anyone has to hear of.</summary>
    public IReadOnlyList<string> Followed { get; init; } = [];

    /// <summary>The subnet whose containers matter to a lane, or null when none does.</summary>
    public IPNetwork? Containers { get; init; }

    /// <summary>Why there is no VTEP device although one is wanted, and what to do; null when it is there, or none is wanted.</summary>
    public string? NoDevice { get; init; }

    /// <summary>What an operator should know about it.</summary>
    public IReadOnlyList<Problem> Problems { get; init; } = [];
}
