using System.Collections.Immutable;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>One of the ways from one side of the link to the other that are compared.</summary>
/// <param name="Name">As <c>ARMS=</c> knows it.</param>
/// <param name="Title">As tables and pictures show it.</param>
/// <param name="AgentFlags">What the agents run with; they run in every arm that needs no routes of the lab's own.</param>
/// <param name="Datapath">What the agents' status has to say before anything is measured.</param>
/// <param name="Carrier">Who has to have carried the packets for a figure to count.</param>
/// <param name="Colour">In the picture, as SVG has it.</param>
internal sealed record Arm(string Name, string Title, ImmutableArray<string> AgentFlags, string Datapath, Carrier Carrier, string Colour)
{
    /// <summary>The arm that ratios are taken against.</summary>
    public const string Reference = "kernel";

    /// <summary>The arm that has floors.</summary>
    public const string Judged = "lanes";

    /// <summary>All arms, in the order of tables.</summary>
    public static ImmutableArray<Arm> All { get; } =
    [
        // The agent idles beside this arm as beside the others; on the driver, because the lanes have a hook on eth0.
        new("bare", "bare host to host", ["--datapath=kernel"], "kernel", Carrier.Underlay, "#b8bec6") { BetweenHosts = true },
        new("host-gw", "host-gw routes", ["--datapath=kernel"], "kernel", Carrier.Underlay, "#8f99a6") { OwnRoutes = true },
        new(Reference, "kernel vxlan", ["--datapath=kernel"], "kernel", Carrier.Driver, "#4c6a92"),
        new("lane1", "lane 1", ["--datapath=bpf", "--shortcut=off"], "bpf", Carrier.Lane1, "#e0a458"),
        new(Judged, "lanes 1+2", ["--datapath=bpf", "--shortcut=established"], "bpf", Carrier.Shortcut, "#c8553d"),
    ];

    /// <summary>From host to host, without containers.</summary>
    public bool BetweenHosts { get; init; }

    /// <summary>By plain routes that the lab sets; the agent is stopped, because it would take them away.</summary>
    public bool OwnRoutes { get; init; }

    /// <summary>Reads <c>ARMS</c>.</summary>
    /// <exception cref="LabException">A name is unknown; the message names the variable and the remedy.</exception>
    public static ImmutableArray<Arm> Parse(string list) => Selection.Parse("ARMS", list, All, arm => arm.Name);
}
