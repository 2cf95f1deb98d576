using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>What each lane of a node has carried since its maps were made.</summary>
internal sealed record LaneTally(int Out1, int In1, int Out2, int In2)
{
    /// <summary>As the node's status has it.</summary>
    public static async Task<LaneTally> OfAsync(LabNode node)
    {
        var taken = (await AgentSocket.StatusAsync(node))["lanes"]!.AsArray().ToDictionary(l => (string)l!["lane"]!, l => (int)l!["taken"]!);
        return new(taken["1 out"], taken["1 in"], taken["2 out"], taken["2 in"]);
    }

    /// <summary>What has come on top since another.</summary>
    public static LaneTally operator -(LaneTally now, LaneTally before) =>
        new(now.Out1 - before.Out1, now.In1 - before.In1, now.Out2 - before.Out2, now.In2 - before.In2);
}
