using System.Collections.Immutable;
using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Bench.Control;

/// <summary>Measures what an agent costs that has nothing to do: alone and with thousands of peers, at the same time.</summary>
internal sealed class IdleBench(string lab, int minutes, TextWriter output)
{
    private static readonly ImmutableArray<int> Peers = [0, 10_000];
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    // The runtime gives memory back a few seconds after the start; that is not what idling costs.
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(30);

    /// <summary>Builds the labs, waits, takes them down; says what was found.</summary>
    /// <exception cref="LabException">Something failed.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        var labs = new List<NetworkLab>();
        try
        {
            foreach (var (index, peers) in Peers.Index())
            {
                var network = await NetworkLab.UpAsync(new LabSpec { Name = $"{lab}{index}", Nodes = 1, PodsPerNode = 0, Config = ControlProbe.Config }, cancel);
                labs.Add(network);
                if (peers > 0)
                    await network.Node(1).RunAsync([.. ControlProbe.Command("seed", network.Layout.EtcdEndpoint, peers)]);
                network.Node(1).StartAgent();
                await network.Node(1).WaitReadyAsync(Limit, cancel);
            }

            await Task.Delay(Settled, cancel);
            var before = await Task.WhenAll(labs.Select(l => LookAsync(l.Node(1))));
            await output.WriteLineAsync($"{Machine.Look()}\nidling for {minutes} minutes");
            await Task.Delay(TimeSpan.FromMinutes(minutes), cancel);
            var hours = minutes / 60.0;
            await output.WriteLineAsync($"{"peers",8} {"CPU s/h",10} {"kB/h to etcd",14} {"kB/h from etcd",14} {"Pss MB",14} {"private dirty MB",18}");
            foreach (var (index, peers) in Peers.Index())
            {
                var (first, last) = (before[index], await LookAsync(labs[index].Node(1)));
                await output.WriteLineAsync(
                    $"{peers,8} {(last.Cpu - first.Cpu) / hours,10:0.0} {(last.Sent - first.Sent) / 1000 / hours,14:0.0} {(last.Received - first.Received) / 1000 / hours,14:0.0} "
                    + $"{$"{first.Pss:0} to {last.Pss:0}",14} {$"{first.Dirty:0} to {last.Dirty:0}",18}");
            }
        }
        finally
        {
            foreach (var network in labs)
                await network.DisposeAsync();
        }
    }

    /// <summary>The host has nobody to talk to but etcd, so what crosses its interface is the agent's and etcd's.</summary>
    private static async Task<(double Cpu, double Sent, double Received, double Pss, double Dirty)> LookAsync(LabNode node)
    {
        // name: bytes received and seven more fields, then bytes sent (proc(5)). The file of the reader's network namespace.
        var fields = (await node.RunAsync("grep", "eth0:", "/proc/thread-self/net/dev")).Split(':')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var (pss, dirty) = AgentCost.Memory(node.AgentProcessId);
        return (AgentCost.CpuSeconds(node.AgentProcessId), Bytes(8), Bytes(0), pss, dirty);

        double Bytes(int field) => double.Parse(fields[field], CultureInfo.InvariantCulture);
    }
}
