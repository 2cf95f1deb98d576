using System.Text.RegularExpressions;
using Accelerated.Lab;
using Accelerated.Soak.Faults;

namespace Accelerated.Soak;

/// <summary>What happened when, and what it therefore explains.</summary>
internal sealed class Timeline(IReadOnlyList<Incident> incidents)
{
    /// <summary>
    /// How long packets may be missing once nothing stands in the agent's way: it repairs within milliseconds where a core is free, and on a
    /// busy machine two passes of it later.
    /// </summary>
    private static readonly TimeSpan Repair = TimeSpan.FromSeconds(2);

    /// <summary>How long an agent takes to be at work after its start.</summary>
    private static readonly TimeSpan Start = TimeSpan.FromSeconds(2);

    /// <summary>How long a watch takes to be back: a connection that hangs is noticed by its pings.</summary>
    private static readonly TimeSpan Reconnect = TimeSpan.FromSeconds(6);

    /// <summary>How long after its end a fault may be spoken of in a log.</summary>
    private static readonly TimeSpan Echo = TimeSpan.FromSeconds(8);

    // A packet's time is reckoned from the answers around it.
    private static readonly TimeSpan Blur = TimeSpan.FromMilliseconds(100);

    /// <summary>The incidents.</summary>
    public IReadOnlyList<Incident> Incidents => incidents;

    /// <summary>The latest incident that explains why a packet between two nodes is missing; null if none does.</summary>
    public Incident? Explain(DateTimeOffset lost, LabNode one, LabNode other) =>
        incidents.OrderBy(i => i.Begin).Where(i => i.Fault.Loss != Loss.None && (i.Meets(one) || i.Meets(other)))
            .LastOrDefault(i => lost >= i.Begin - Blur && lost <= LossesEnd(i, one, other));

    /// <summary>Whether an incident explains a line of a node's log.</summary>
    public bool Explains(DateTimeOffset at, LabNode node, string message) =>
        incidents.Any(i => i.Meets(node) && at >= i.Begin && at <= EchoEnd(i, node) && i.Fault.Explains.Any(pattern => Regex.IsMatch(message, pattern)));

    private DateTimeOffset LossesEnd(Incident incident, LabNode one, LabNode other)
    {
        var fault = incident.Fault;
        // Nobody repairs while the agent is away, and nobody is told while etcd is.
        return Settled(fault.Loss == Loss.WhileItLasts ? incident.End : incident.Made, Repair, i =>
            i.Fault.SilencesAgent && (i.Fault.Node == fault.Node || (fault.IsToldThroughEtcd && (i.Fault.Node == one || i.Fault.Node == other))) ? Start
            : i.Fault.CutsEtcd && fault.IsToldThroughEtcd && (i.Meets(one) || i.Meets(other)) ? Reconnect
            : null);
    }

    private DateTimeOffset EchoEnd(Incident incident, LabNode node) =>
        Settled(incident.End, Echo, i => (i.Fault.SilencesAgent || i.Fault.CutsEtcd) && i.Meets(node) ? Reconnect : null);

    /// <summary>The end of the first stretch of time, from some moment on, that is this long and in which nothing delays a repair.</summary>
    private DateTimeOffset Settled(DateTimeOffset from, TimeSpan stretch, Func<Incident, TimeSpan?> delay)
    {
        foreach (var incident in incidents.OrderBy(i => i.Begin))
        {
            if (delay(incident) is { } after && incident.Begin < from + stretch && incident.End + after > from)
                from = incident.End + after;
        }

        return from + stretch;
    }
}
