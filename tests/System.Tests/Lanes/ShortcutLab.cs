using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Two hosts with the shortcut open.</summary>
public class ShortcutLab(int pods) : SharedLab(new LabSpec { PodsPerNode = pods, Datapath = LabSpec.BpfDatapath, AgentFlags = ["--reconcile-interval=1s"] })
{
    /// <inheritdoc/>
    protected override async Task PrepareAsync(NetworkLab lab)
    {
        await base.PrepareAsync(lab);
        foreach (var node in lab.Nodes)
            await WaitOpenAsync(node);
    }

    /// <summary>Waits until lane 2 of a node is open.</summary>
    internal static Task WaitOpenAsync(LabNode node) => AgentSocket.WaitAsync(
        node, "an open shortcut", s => s["lanes"]?.AsArray().Count(l => ((string)l!["lane"]!)[0] == '2' && l["off"] is null) == 2);

    /// <summary>Has a flow exchange messages until both nodes carry it by lane 2, in both directions: it has to prove itself first.</summary>
    internal static Task SettleAsync(NetworkLab lab, Conversation talk) => SettleAsync(lab, talk, [.. lab.Nodes]);

    /// <summary>The same for the nodes that are to carry it so.</summary>
    internal static Task SettleAsync(NetworkLab lab, Conversation talk, params LabNode[] nodes)
    {
        LaneTally[] moved = [];
        return Wait.UntilAsync(
            "a flow on the shortcut",
            async () =>
            {
                moved = await MovedAsync(lab, () => talk.ExchangeAsync(5));
                return nodes.All(n => moved[n.Number - 1] is { Out2: >= 5, In2: >= 5 });
            },
            explain: () => $"five messages: {string.Join("; ", (object[])moved)}\n{string.Join('\n', nodes.Select(n => n.LogTail()))}",
            cancel: TestContext.Current.CancellationToken);
    }

    /// <summary>What the lanes of each node carry while something is done.</summary>
    internal static async Task<LaneTally[]> MovedAsync(NetworkLab lab, Func<Task> work)
    {
        var before = await Task.WhenAll(lab.Nodes.Select(LaneTally.OfAsync));
        await work();
        var after = await Task.WhenAll(lab.Nodes.Select(LaneTally.OfAsync));
        return [.. after.Zip(before, (a, b) => a - b)];
    }
}
