namespace Accelerated.Bench;

/// <summary>Whether lanes 1+2 reach a floor.</summary>
/// <param name="Case">The case's id.</param>
/// <param name="Title">The case as shown.</param>
/// <param name="Floor">What is wanted, as text.</param>
/// <param name="Ratio">Lanes to driver, round by round; null if that was not measured.</param>
/// <param name="Met">Null if that was not measured.</param>
/// <param name="Skipped">Why not.</param>
internal sealed record Verdict(string Case, string Title, string Floor, Spread? Ratio, bool? Met, string? Skipped);
