using System.Collections.Immutable;
using Accelerated.Lab;

namespace Accelerated.Bench.Receive;

/// <summary>One way for a host to receive.</summary>
/// <param name="Name">As <c>ARMS=</c> knows it.</param>
/// <param name="Title">As tables and pictures show it.</param>
/// <param name="Guard">Who refuses what is forged.</param>
/// <param name="Agents">The agents' part of it.</param>
/// <param name="Lane">The lane that has to have taken what was delivered; null: none may have.</param>
internal sealed record ReceiveArm(string Name, string Title, string Guard, Arm Agents, string? Lane)
{
    /// <summary>The arm that is the limit.</summary>
    public const string Limit = "drop";

    /// <summary>The arm that is held against it.</summary>
    public const string Judged = "xdp";

    /// <summary>All of them, in the order of tables.</summary>
    public static ImmutableArray<ReceiveArm> All { get; } =
    [
        new(Limit, "bare XDP_DROP, lanes 1+2 behind", "bare XDP_DROP", Lanes("#b8bec6", "--xdp=off"), "1 in") { BareDrop = true },
        new(Judged, "lanes 1+2+3 (XDP)", "XDP", Lanes("#c8553d", "--xdp=on"), "3 in"),
        new("tc", "lanes 1+2 (TC)", "TC", Lanes("#e0a458", "--xdp=off"), "1 in"),
        new("kernel", "kernel vxlan", "nftables", new("kernel", "kernel vxlan", ["--datapath=kernel"], "kernel", Carrier.Driver, "#4c6a92"), null),
        new("none", "lanes 1+2, no guard", "none", Lanes("#7a9e7e", "--xdp=off", "--guard=off"), "1 in") { HasRate = false },
    ];

    /// <summary>Whether a program that does nothing but drop is put before everything else.</summary>
    public bool BareDrop { get; init; }

    /// <summary>Whether its rate is measured too: not where it is another arm's.</summary>
    public bool HasRate { get; init; } = true;

    /// <summary>Reads <c>ARMS</c>.</summary>
    /// <exception cref="LabException">A name is unknown; the message names the variable and the remedy.</exception>
    public static ImmutableArray<ReceiveArm> Parse(string list) => Selection.Parse("ARMS", list, All, arm => arm.Name);

    private static Arm Lanes(string colour, params ImmutableArray<string> flags) =>
        new("lanes", "lanes", ["--datapath=bpf", "--shortcut=established", .. flags], "bpf", Carrier.Shortcut, colour);
}
