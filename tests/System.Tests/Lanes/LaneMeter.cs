using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>What lane 2 of a node has carried, by the agent's own counters.</summary>
/// <param name="Out">Packets from containers to the wire.</param>
/// <param name="In">Packets from the wire to containers.</param>
internal sealed record LaneMeter(long Out, long In)
{
    private const int Sample = 20;

    /// <summary>The counts of now.</summary>
    public static async Task<LaneMeter> ReadAsync(LabNode node)
    {
        var status = await AgentSocket.StatusAsync(node);
        return new((long)Lane(status, "2 out")["taken"]!, (long)Lane(status, "2 in")["taken"]!);
    }

    /// <summary>How often lane 2 left a packet to the slower ones for a reason, over both directions.</summary>
    public static async Task<long> PassedAsync(LabNode node, string reason)
    {
        var status = await AgentSocket.StatusAsync(node);
        return ((string[])["2 out", "2 in"]).Sum(lane => (long?)Lane(status, lane)["passed"]![reason] ?? 0);
    }

    /// <summary>What a node's lane 2 carries while a flow gets 20 answers.</summary>
    public static async Task<LaneMeter> DuringAsync(LabNode node, Talk talk)
    {
        var before = await ReadAsync(node);
        await talk.WaitAnswersAsync(Sample);
        var after = await ReadAsync(node);
        return new(after.Out - before.Out, after.In - before.In);
    }

    /// <summary>Waits until a flow is on lane 2 on some nodes, in both directions: each question and each answer.</summary>
    /// <exception cref="LabException">It is not taken up.</exception>
    public static async Task WaitCarriedAsync(Talk talk, params IEnumerable<LabNode> nodes)
    {
        foreach (var node in nodes)
        {
            var last = new LaneMeter(0, 0);
            await Wait.UntilAsync(
                $"the flow on the shortcut of {node.Namespace}",
                async () => (last = await DuringAsync(node, talk)) is { Out: >= Sample - 2, In: >= Sample - 2 } || talk.Failure is not null,
                explain: () => $"{last}; {talk.Describe()}\n{node.LogTail()}", cancel: TestContext.Current.CancellationToken);
        }

        Assert.Null(talk.Failure);
    }

    /// <summary>The lane's part of a status.</summary>
    public static JsonObject Lane(JsonObject status, string lane) =>
        status["lanes"]!.AsArray().Select(l => l!.AsObject()).Single(l => (string?)l["lane"] == lane);
}
