using System.Collections.Immutable;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>What is measured in every arm: a load on a link.</summary>
/// <param name="Workload">As <c>WORKLOADS=</c> knows it.</param>
/// <param name="Title">As tables and pictures show it.</param>
/// <param name="Unit">Of the figure.</param>
/// <param name="CpuUnit">Of the CPU time beside it.</param>
/// <param name="Segmentation">Whether the link takes packets larger than its MTU, and leaves their segmentation to hardware.</param>
/// <param name="Floor">What lanes 1+2 have to reach against the driver.</param>
/// <param name="Measure">Makes the load and measures it.</param>
internal sealed record Case(
    string Workload, string Title, string Unit, string CpuUnit, bool Segmentation, Floor Floor, Func<Course, Task<Reading>> Measure)
{
    /// <summary>Nothing but data of an established flow, all of which lane 2 has to carry.</summary>
    private const double AllOfIt = 0.8;

    /// <summary>All cases, in the order they are run and shown.</summary>
    public static ImmutableArray<Case> All { get; } =
    [
        new("stream", "TCP stream", "Gb/s", "ns/byte", true, new(1.2, false), Iperf.StreamAsync),
        new("flows32", "TCP, 32 flows", "Gb/s", "ns/byte", true, new(1.1, false), Iperf.ManyStreamsAsync),
        // Translated on the client's host, so lane 2 leaves the client's packets to lane 1.
        new("service", "TCP stream to a service", "Gb/s", "ns/byte", true, new(1.05, false), Iperf.StreamAsync) { ToService = true, ShortcutShare = 0 },
        new("udp64", "UDP 64 B, delivered", "kpps", "ns/packet", true, new(1.7, false), Iperf.DatagramsAsync),
        new("rr", "TCP round trip, one way", "us", "ns/round trip", true, new(0.75, true), Sockperf.RoundTripsAsync),
        // Lane 2 wants an established connection: of a short one it gets request and answer, and not all of those.
        new("crr", "connect, request, close", "per s", "ns/connection", true, new(1.1, false), ShortConnections.MeasureAsync) { ShortcutShare = 0.02 },
        new("stream", "TCP stream, no GSO", "Gb/s", "ns/byte", false, new(1.08, false), Iperf.StreamAsync),
    ];

    /// <summary>Stable name for the report.</summary>
    public string Id => Segmentation ? Workload : $"{Workload}-nogso";

    /// <summary>To the address of a service, which the client's host translates (DNAT).</summary>
    public bool ToService { get; init; }

    /// <summary>The part of the containers' packets that lane 2 has to have carried where it is what is measured.</summary>
    public double ShortcutShare { get; init; } = AllOfIt;

    /// <summary>Whether it can be measured in an arm: hosts among themselves have no service.</summary>
    public bool AppliesTo(Arm arm) => !(ToService && arm.BetweenHosts);

    /// <summary>Reads <c>WORKLOADS</c>.</summary>
    /// <exception cref="LabException">A name is unknown; the message names the variable and the remedy.</exception>
    public static ImmutableArray<Case> Parse(string list) => Selection.Parse("WORKLOADS", list, All, c => c.Workload);
}
