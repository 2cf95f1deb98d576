using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>A node's conntrack: its entries as /proc/net/nf_conntrack has them, and its settings.</summary>
internal static class ConnectionTable
{
    /// <summary>The entries of the flows begun from a port; expired ones are not shown.</summary>
    public static async Task<IReadOnlyList<string>> OfAsync(LabNode node, int clientPort) =>
        [.. (await node.RunAsync("cat", "/proc/net/nf_conntrack")).Split('\n').Where(l => l.Contains($" sport={clientPort} ", StringComparison.Ordinal))];

    /// <summary>Sets <c>net.netfilter.nf_conntrack_…</c> of a node.</summary>
    public static Task SetAsync(LabNode node, string name, int value) =>
        node.RunAsync("sh", "-ec", $"echo {value} >/proc/sys/net/netfilter/nf_conntrack_{name}");

    /// <summary>Waits until every entry of a flow is as it should be.</summary>
    /// <exception cref="LabException">One is not.</exception>
    public static async Task WaitAsync(LabNode node, int clientPort, string what, Func<IReadOnlyList<string>, bool> condition)
    {
        IReadOnlyList<string> last = [];
        await Wait.UntilAsync(
            $"{what} in the connection table of {node.Namespace}", async () => condition(last = await OfAsync(node, clientPort)),
            explain: () => string.Join('\n', last), cancel: TestContext.Current.CancellationToken);
    }
}
