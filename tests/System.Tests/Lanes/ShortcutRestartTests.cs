using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>An agent that ends in whatever way, and links that are taken away, move flows from the shortcut to the driver and back: nothing is lost.</summary>
public sealed class ShortcutRestartTests(ShortcutRestartTests.TwoNodes shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<ShortcutRestartTests.TwoNodes>
{
    private const int Rounds = 10;

    private LabNode Node => Lab.Node(1);

    [Fact]
    public async Task Agent_KilledRestartedAndDetached_LosesNothing()
    {
        // Conntrack does not see what the shortcut carries. What it then calls invalid, kube-proxy drops.
        foreach (var node in Lab.Nodes)
            await node.RunAsync("nft", "table inet strict { chain forward { type filter hook forward priority -1; ct state invalid counter drop; }; }");
        var (here, there) = (Lab.Pod(1, 1), Lab.Pod(2, 1));
        await using var server = there.Start("iperf3", "-s", "-1", "-p", "5201");
        await server.WaitListeningAsync(5201, Cancel);
        await using var client = here.Start("iperf3", "-c", there.Address.ToString(), "-p", "5201", "-b", "300M", "-t", "600", "--forceflush");
        using var sequence = new SequenceRun(here, there, there.Address, 7000);
        await WaitCarriedAsync(sequence);
        var before = await LaneTally.OfAsync(Node);

        for (var round = 0; round < Rounds; round++)
        {
            await Node.KillAgentAsync();
            await sequence.WaitAsync(50);
            await StartAsync(sequence);

            Assert.Equal(0, await Node.StopAgentAsync());
            await sequence.WaitAsync(50);
            await StartAsync(sequence);

            // Lane 3's first, where there is one: what it decapsulates is nobody's without the programs at TC (ADR 13).
            foreach (var program in (string[])["wire_in", "overlay_out", "underlay_in"])
            {
                if (File.Exists(Path.Combine(Node.Pins(), $"link_{program}")))
                    await Node.RunAsync("bpftool", "link", "detach", "pinned", Path.Combine(Node.Pins(), $"link_{program}"));
            }

            await Node.RunAsync("bpftool", "link", "detach", "id", await LinkIdAsync("veth1"));
            await WaitCarriedAsync(sequence);
        }

        Assert.True(client.IsRunning && server.IsRunning, $"{client.Output()}\n{server.Output()}");
        var (lostThere, lostBack) = await sequence.StopAsync();
        var moved = await LaneTally.OfAsync(Node) - before;
        foreach (var node in Lab.Nodes)
            Output.WriteLine($"measured: {node.Namespace}, called invalid: {await node.RunAsync("nft", "list", "chain", "inet", "strict", "forward")}");
        Output.WriteLine($"measured: {sequence.Sent} datagrams there and back over {3 * Rounds} transitions; {moved}");
        Assert.Empty(lostThere);
        Assert.Empty(lostBack);
        Assert.DoesNotContain("error", client.Output(), StringComparison.Ordinal);
    }

    private async Task StartAsync(SequenceRun sequence)
    {
        Node.StartAgent();
        await Node.WaitReadyAsync(cancel: Cancel);
        await WaitCarriedAsync(sequence);
    }

    /// <summary>The link on an interface, which only the agent's process holds (fs/proc: fdinfo of a BPF link).</summary>
    private async Task<string> LinkIdAsync(string device)
    {
        var index = (int)(await Node.IpAsync("link", "show", "dev", device))[0]["ifindex"]!;
        return Directory.EnumerateFiles($"/proc/{Node.AgentProcessId}/fdinfo").Select(Fields).Single(f => f.GetValueOrDefault("ifindex") == $"{index}")["link_id"];

        static Dictionary<string, string> Fields(string file)
        {
            try
            {
                return File.ReadLines(file).Select(l => l.Split(':', 2)).Where(l => l.Length == 2).DistinctBy(l => l[0]).ToDictionary(l => l[0], l => l[1].Trim());
            }
            catch (IOException)
            {
                // Closed meanwhile.
                return [];
            }
        }
    }

    /// <summary>Waits until the sequence, and not only the stream beside it, is on the shortcut in both directions.</summary>
    private async Task WaitCarriedAsync(SequenceRun sequence)
    {
        await OpenShortcutLab.WaitOpenAsync(Node);
        await Wait.UntilAsync("the shortcut to carry", async () =>
        {
            var before = await LaneTally.OfAsync(Node);
            await sequence.WaitAsync(20);
            return await LaneTally.OfAsync(Node) - before is { Out2: >= 20, In2: >= 20 };
        }, explain: Node.LogTail, cancel: Cancel);
    }

    /// <summary>Two hosts with a container each.</summary>
    public sealed class TwoNodes() : OpenShortcutLab(pods: 1);
}
