using System.Collections.Immutable;

namespace Accelerated.Bench;

/// <summary>
/// What interfaces and lanes of both hosts have sent: who carried the packets of a measurement. Packets are counted as the hosts see
/// them, so one that is still to be segmented is one.
/// </summary>
/// <param name="Containers">Sent by the containers.</param>
/// <param name="Underlay">Sent on the link between the hosts.</param>
/// <param name="Driver">Encapsulated by the kernel's driver.</param>
/// <param name="Lanes">Taken, by the name of the lane; only lanes the agents speak of.</param>
internal sealed record Passage(long Containers, long Underlay, long Driver, ImmutableSortedDictionary<string, long> Lanes)
{
    /// <summary>Lane 1, outbound, as the status names it.</summary>
    public const string Lane1Out = "1 out";

    /// <summary>Lane 2, outbound, as the status names it.</summary>
    public const string Lane2Out = "2 out";

    // Some packets are sent by nobody's order: ARP, router solicitations, the first before a neighbour is known.
    private const double Stray = 0.02;
    private const double NearlyAll = 0.8;

    /// <summary>What came since then.</summary>
    public Passage Since(Passage earlier) => new(
        Containers - earlier.Containers, Underlay - earlier.Underlay, Driver - earlier.Driver,
        Lanes.ToImmutableSortedDictionary(l => l.Key, l => l.Value - earlier.Lanes.GetValueOrDefault(l.Key)));

    /// <summary>Why a figure is not of what it is said to be of; null if it is.</summary>
    public string? Fault(Arm arm, Case measured)
    {
        var (lane1, lane2) = (Lanes.GetValueOrDefault(Lane1Out), Lanes.GetValueOrDefault(Lane2Out));
        return arm.Carrier switch
        {
            Carrier.Underlay when Driver + lane1 + lane2 > Stray * Underlay => "the packets were to go without encapsulation",
            Carrier.Driver when Driver < NearlyAll * Containers => "the kernel's driver was to carry the packets",
            Carrier.Lane1 when lane1 < NearlyAll * Containers => "lane 1 was to carry the packets",
            Carrier.Shortcut when lane1 + lane2 < NearlyAll * Containers => "lanes 1 and 2 were to carry the packets",
            Carrier.Shortcut when lane2 < measured.ShortcutShare * Containers => $"lane 2 was to carry at least {measured.ShortcutShare:P0} of the packets",
            _ => null,
        };
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"of {Containers} packets of the containers ({Underlay} on the link) the driver carried {Driver}"
        + string.Concat(Lanes.Select(l => $", lane {l.Key} {l.Value}"));
}
