using System.Collections.Immutable;

namespace Accelerated.Bench.Receive;

/// <summary>What is offered to a receiver.</summary>
/// <param name="Legitimate">Thousand packets of a peer in a second.</param>
/// <param name="Forged">Thousand packets of nobody in a second, beside them; null: as many as the sender can make, 31 for each legitimate one.</param>
internal sealed record ReceiveStep(int Legitimate, int? Forged)
{
    // Of those that the sender makes as fast as it can.
    private const int ShareAtMost = FloodPlan.Shares / 32;

    // The legitimate flow beside a flood: far below what any arm takes.
    private const int Flow = 50;

    /// <summary>Packets of a peer, more and more.</summary>
    public static ImmutableArray<ReceiveStep> Rates { get; } =
        [.. ((int[])[50, 100, 150, 200, 250, 300, 350, 400, 500, 600, 700, 800, 1000, 1200, 1500]).Select(rate => new ReceiveStep(rate, 0))];

    /// <summary>A flow of a peer, and a flood beside it.</summary>
    public static ImmutableArray<ReceiveStep> Floods { get; } =
        [.. ((int?[])[0, 100, 200, 400, 600, 800, 1000, 1500, null]).Select(rate => new ReceiveStep(Flow, rate))];

    /// <summary>Frames in a second; 0: as fast as it goes.</summary>
    public double PerSecond => Forged is { } forged ? (Legitimate + forged) * 1000.0 : 0;

    /// <summary>Of <see cref="FloodPlan.Shares"/>.</summary>
    public int Share => Forged is { } forged ? (int)Math.Round((double)FloodPlan.Shares * Legitimate / (Legitimate + forged)) : ShareAtMost;
}
