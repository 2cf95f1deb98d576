using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Steps that the tests of the lanes take.</summary>
internal static class LaneSteps
{
    /// <summary>What carries packets, and why.</summary>
    public static async Task<(string Name, string Reason)> DatapathAsync(this LabNode node)
    {
        var status = await AgentSocket.StatusAsync(node);
        return ((string)status["datapath"]!, (string)status["datapathReason"]!);
    }

    /// <summary>Waits until the status names a datapath.</summary>
    public static Task<JsonObject> WaitDatapathAsync(this LabNode node, string datapath, TimeSpan? deadline = null) =>
        AgentSocket.WaitAsync(node, $"the datapath {datapath}", s => (string?)s["datapath"] == datapath, deadline);

    /// <summary>Packets a lane carried.</summary>
    public static async Task<int> TakenAsync(this LabNode node, string lane) =>
        (int)(await AgentSocket.StatusAsync(node))["lanes"]!.AsArray().Single(l => (string?)l!["lane"] == lane)!["taken"]!;

    /// <summary>The message of a problem, or null.</summary>
    public static async Task<string?> ProblemAsync(this LabNode node, string code) =>
        (string?)(await AgentSocket.StatusAsync(node))["problems"]!.AsArray().SingleOrDefault(p => (string?)p!["code"] == code)?["message"];

    /// <summary>Where the instance's maps and links are pinned.</summary>
    public static string Pins(this LabNode node, string schema = "6") => Path.Combine(node.BpfDirectory, "default", schema);

    /// <summary>The pinned links of the programs at TC. Lane 3's, where <c>make test-xdp</c> switches it on, is XdpTests' affair.</summary>
    public static IReadOnlyList<string> Links(this LabNode node) =>
        [.. Directory.EnumerateFiles(node.Pins(), "link_*").Where(l => Path.GetFileName(l) != "link_wire_in")];

    /// <summary>How many packets the guard in the lanes has refused for a reason, wherever it stands.</summary>
    public static async Task<int> RefusedAsync(this LabNode node, string reason) =>
        (await AgentSocket.StatusAsync(node))["lanes"]!.AsArray().Sum(l => (int?)l!["refused"]![reason] ?? 0);

    /// <summary>Starts the agent again, with other flags, and waits until the lanes are on.</summary>
    public static async Task RestartAsync(this LabNode node, params string[] flags)
    {
        await node.StopAgentAsync();
        node.StartAgent(flags);
        await node.WaitDatapathAsync("bpf");
    }

    /// <summary>
    /// Puts clsact on both interfaces: the kernel may drop what is sent at the moment a qdisc is put in, whoever does it, and a test of
    /// the agent should not count that.
    /// </summary>
    public static Task AddClsactAsync(this LabNode node) =>
        node.RunAsync("sh", "-ec", $"for d in eth0 {Overlay.Device}; do tc qdisc show dev $d | grep -q clsact || tc qdisc add dev $d clsact; done");

    /// <summary>Pings through the lanes of node 1, which have to take the packets.</summary>
    public static async Task PingThroughLanesAsync(this NetworkLab lab)
    {
        var before = await lab.Node(1).TakenAsync("1 out");
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        Assert.InRange(await lab.Node(1).TakenAsync("1 out") - before, 1, int.MaxValue);
    }
}
