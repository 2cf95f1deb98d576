using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Bench.Control;

/// <summary>Measures what an agent takes from etcd to the kernel: time, CPU and memory.</summary>
internal sealed class ControlBench(string lab, int rounds, TextWriter output)
{
    private const int Peers = 5000;
    private const int PutsPerRound = 200;
    private static readonly ImmutableArray<string> Datapaths = ["kernel", ControlReport.Judged];
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private readonly List<(ControlCase Case, string Datapath, double Value)> _samples = [];

    /// <summary>Builds labs, measures, takes them down.</summary>
    /// <exception cref="LabException">Something failed.</exception>
    public async Task<ControlReport> RunAsync(bool force, CancellationToken cancel)
    {
        var begin = DateTimeOffset.Now;
        var others = await MachineLock.RequireRestAsync(force, cancel);
        for (var round = 1; round <= rounds; round++)
        {
            foreach (var datapath in Datapaths)
            {
                await RunFewAsync(datapath, cancel);
                await RunManyAsync(datapath, cancel);
                var figures = ControlCase.All.Select(c => $"{c.Id} {Tables.Figure(_samples.Last(s => s.Case == c).Value)}");
                await output.WriteLineAsync($"round {round}/{rounds}  {datapath,-7} {string.Join("  ", figures)}");
            }
        }

        return new ControlReport(begin, Machine.Look(), rounds, others, [.. ControlCase.All.SelectMany(c => Datapaths.Select(d => RowOf(c, d)))]);
    }

    private ControlReport.Row RowOf(ControlCase measured, string datapath)
    {
        var value = Spread.Of(_samples.Where(s => s.Case == measured && s.Datapath == datapath).Select(s => s.Value));
        return new(
            measured.Id, measured.Title, measured.Unit, datapath, value, measured.Flannel, measured.Wanted,
            datapath == ControlReport.Judged ? value.Median <= measured.Wanted : null);
    }

    private Task<NetworkLab> UpAsync(string datapath, CancellationToken cancel) =>
        NetworkLab.UpAsync(new LabSpec { Name = lab, Nodes = 1, PodsPerNode = 0, Datapath = datapath, Config = ControlProbe.Config }, cancel);

    private async Task RunFewAsync(string datapath, CancellationToken cancel)
    {
        await using var network = await UpAsync(datapath, cancel);
        var node = network.Node(1);
        node.StartAgent();
        await node.WaitReadyAsync(Limit, cancel);
        await Task.Delay(Settled, cancel);
        var (pss, dirty) = AgentCost.Memory(node.AgentProcessId);
        Add(ControlCase.IdlePss, datapath, pss);
        Add(ControlCase.IdleDirty, datapath, dirty);

        var said = await node.RunAsync([.. ControlProbe.Command("latency", network.Layout.EtcdEndpoint, PutsPerRound)]);
        var sorted = said.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => double.Parse(l, CultureInfo.InvariantCulture)).Order().ToArray();
        Add(ControlCase.RouteMedian, datapath, sorted[sorted.Length / 2]);
        Add(ControlCase.RouteP95, datapath, sorted[sorted.Length * 95 / 100]);
    }

    private async Task RunManyAsync(string datapath, CancellationToken cancel)
    {
        await using var network = await UpAsync(datapath, cancel);
        var node = network.Node(1);
        await node.RunAsync([.. ControlProbe.Command("seed", network.Layout.EtcdEndpoint, Peers)]);
        await using var probe = node.Start([.. ControlProbe.Command("arrive", "", Peers)]);
        await probe.WaitAsync("the watch", () => probe.Output().Contains("watching", StringComparison.Ordinal), cancel: cancel);

        var begin = Stopwatch.GetTimestamp();
        node.StartAgent();
        await Wait.UntilAsync("the routes", () => probe.Output().Split('\n').Length > 2, Limit, node.LogTail, cancel);
        var cpu = AgentCost.CpuSeconds(node.AgentProcessId);
        var arrived = long.Parse(probe.Output().Split('\n')[1], CultureInfo.InvariantCulture);
        Add(ControlCase.Cold, datapath, (arrived - begin) / (double)Stopwatch.Frequency);
        Add(ControlCase.ColdCpu, datapath, cpu);
        await node.WaitReadyAsync(Limit, cancel);
        await Task.Delay(Settled, cancel);
        Add(ControlCase.FullPss, datapath, AgentCost.Memory(node.AgentProcessId).Pss);
    }

    private void Add(ControlCase measured, string datapath, double value) => _samples.Add((measured, datapath, value));
}
