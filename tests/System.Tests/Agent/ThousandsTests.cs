using System.Diagnostics;
using System.Globalization;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// Ten thousand peers, twice what the benchmark of the control plane measures: all arrive, a burst of changes arrives, and then the agent
/// rests. Bounds are many times what a quiet machine needs; the benchmark says how fast it is.
/// </summary>
public sealed class ThousandsTests(ITestOutputHelper output) : LabTest(output)
{
    private const int Peers = 10_000;
    private const int Burst = 1_000;
    private const int PageSize = 1_000;

    // etcd takes 128 operations in a transaction.
    private const int Batch = 100;
    private const string Config = """{"Network":"10.64.0.0/10","SubnetMin":"10.64.1.0","SubnetMax":"10.67.0.0","Backend":{"Type":"vxlan"}}""";
    private const int FirstSubnet = 1_000;
    private const double TicksPerSecond = 100; // USER_HZ.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData("kernel")]
    [InlineData("bpf")]
    public async Task TenThousandPeers_ArriveChangeInABurstAndThenCostNothing(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = datapath, Config = Config, AgentFlags = ["--reconcile-interval=1h"] });
        var node = lab.Node(1);
        await TransactAsync(lab, Enumerable.Range(0, Peers).Select(Put));
        var reads = await EtcdMetrics.ReadAsync(lab.Etcd, EtcdMetrics.Reads);
        var watch = Stopwatch.StartNew();

        node.StartAgent();

        await WaitPeersAsync(node, Peers);
        await node.WaitReadyAsync(Limit, Cancel);
        Output.WriteLine($"measured: {Peers} peers {watch.Elapsed.TotalSeconds:0.0} s after the start, with the machine's other work");
        // One page after another: no answer holds more than a page.
        Assert.InRange(await EtcdMetrics.ReadAsync(lab.Etcd, EtcdMetrics.Reads) - reads, Peers / PageSize, 10 * Peers / PageSize);
        var before = await RestAsync(node);

        // Half go, half come.
        watch.Restart();
        await TransactAsync(lab, Enumerable.Range(0, Burst / 2).SelectMany(n => new[] { Delete(n), Put(Peers + n) }));
        Output.WriteLine($"measured: {Burst} changes written in {watch.Elapsed.TotalSeconds:0.0} s");
        await node.WaitAgentAsync("the last that came", async () => (await RoutesAsync(node)).Contains(Subnet(Peers + (Burst / 2) - 1)), Limit, Cancel);
        await WaitPeersAsync(node, Peers);
        Output.WriteLine($"measured: and are in the kernel after {watch.Elapsed.TotalSeconds:0.0} s");
        Assert.Equal(Enumerable.Range(Burst / 2, Peers).Select(Subnet).Order(StringComparer.Ordinal), (await RoutesAsync(node)).Order(StringComparer.Ordinal));

        // What a burst takes may be given back late. That nothing grows while nothing changes is another matter.
        var (after, later) = (await RestAsync(node), await RestAsync(node));
        Output.WriteLine(
            $"measured: at rest {before.Cpu:0.00} s, {after.Cpu:0.00} s and {later.Cpu:0.00} s of CPU in {Quiet.TotalSeconds} s, "
            + $"anonymous memory {before.Memory:0} MB, {after.Memory:0} MB and {later.Memory:0} MB");
        Assert.InRange(later.Cpu, 0, Quiet.TotalSeconds / 5);
        Assert.InRange(later.Memory, 0, after.Memory + 16);
        Assert.InRange(later.Memory, 0, before.Memory + 80);
        Assert.DoesNotContain(LogFiles.Read(node.LogFile).Split('\n'), l => l.Contains(" warn ", StringComparison.Ordinal) || l.Contains(" error ", StringComparison.Ordinal));
        Assert.Equal("ok", (string?)(await AgentSocket.StatusAsync(node))["health"]);
    }

    /// <summary>Waits until routes, neighbours and forwarding entries are as many as the peers.</summary>
    private static Task WaitPeersAsync(LabNode node, int count)
    {
        var last = "";
        return Wait.UntilAsync(
            $"{count} peers in the kernel", async () => (last = await CountsAsync(node)) == $"{count} {count} {count}", Limit, () => $"{last}\n{node.LogTail()}", Cancel);
    }

    private static async Task<string> CountsAsync(LabNode node)
    {
        // Before the device is there, each of them is an error.
        var said = await node.ExecAsync("sh", "-c", """
            ip route show dev flannel.1 proto 143 | wc -l
            ip neighbour show dev flannel.1 nud permanent | wc -l
            bridge fdb show dev flannel.1 | wc -l
            """);
        return string.Join(' ', said.Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private static async Task<HashSet<string>> RoutesAsync(LabNode node) =>
        [.. (await node.RunAsync("ip", "route", "show", "dev", "flannel.1", "proto", "143")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')[0])];

    /// <summary>CPU time while nothing changes, in seconds, and memory after that, in MB.</summary>
    private static async Task<(double Cpu, double Memory)> RestAsync(LabNode node)
    {
        await Wait.UntilAsync("an agent that is done", async () =>
        {
            var begin = Cpu(node);
            await Task.Delay(TimeSpan.FromSeconds(1), Cancel);
            return Cpu(node) - begin < 0.2;
        }, Limit, node.LogTail, Cancel);
        var begin = Cpu(node);
        await Task.Delay(Quiet, Cancel);
        return (Cpu(node) - begin, Memory(node));
    }

    /// <summary>Memory of its own, in MB. Not the pages of its file: its share of these grows when agents of other tests end.</summary>
    private static double Memory(LabNode node)
    {
        var line = File.ReadLines($"/proc/{node.AgentProcessId}/smaps_rollup").Single(l => l.StartsWith("Anonymous:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024.0;
    }

    /// <summary>User and system time so far: fields 14 and 15 of proc(5), counted behind the name in parentheses.</summary>
    private static double Cpu(LabNode node)
    {
        var text = File.ReadAllText($"/proc/{node.AgentProcessId}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    private static async Task TransactAsync(NetworkLab lab, IEnumerable<string> operations)
    {
        // etcdctl reads comparisons, what to do then and what to do else, each ended by an empty line. A word without blanks needs no quotes.
        foreach (var some in operations.Chunk(Batch))
            await lab.Etcd.CtlAsync(["txn"], $"\n{string.Join('\n', some)}\n\n\n", Cancel);
    }

    private static string Put(int peer) =>
        $"put {LabSteps.KeyName(Subnet(peer))} {LabSteps.LeaseValue($"198.18.{peer >> 8}.{peer & 0xff}", $"02:00:00:00:{peer >> 8:x2}:{peer & 0xff:x2}")}";

    private static string Delete(int peer) => $"del {LabSteps.KeyName(Subnet(peer))}";

    private static string Subnet(int peer) => $"10.{64 + ((FirstSubnet + peer) >> 8)}.{(FirstSubnet + peer) & 0xff}.0/24";
}
