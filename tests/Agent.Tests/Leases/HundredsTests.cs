using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.State;
using Accelerated.Agent.Tests.Etcd;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>Five hundred nodes on one etcd: what their watches cost, and what happens when it goes away under all of them at once.</summary>
public sealed class HundredsTests(EtcdServer server, ITestOutputHelper output) : IClassFixture<EtcdServer>
{
    private const int Nodes = 500;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task FiveHundredNodes_OnOneEtcd_AllFollowAndComeBackOneAfterTheOther()
    {
        var plan = new AddressPlan(IPNetwork.Parse("10.64.0.0/10"), IPAddress.Parse("10.64.1.0"), IPAddress.Parse("10.127.255.0"), 24);
        await using var rig = new LeaseRig(server.Process, plan);
        var nodes = new List<LeaseNode>();
        foreach (var some in Enumerable.Range(1, Nodes).Chunk(50))
            nodes.AddRange(await Task.WhenAll(some.Select(n => rig.StartNodeAsync($"192.0.{n >> 8}.{n & 255}"))));
        await AllSeeAsync(nodes, Nodes);
        Assert.Equal(Nodes, nodes.Select(n => n.Own.Key).Distinct().Count());

        var (cpu, clock) = (Cpu(), Stopwatch.StartNew());
        await Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        output.WriteLine($"measured: {Nodes} watches at rest cost etcd {(Cpu() - cpu) / clock.Elapsed.TotalSeconds:P1} of a CPU");

        clock.Restart();
        cpu = Cpu();
        await server.Process.CtlAsync("put", rig.Key("10.127.255.0-24"), LeaseRig.Value("192.0.2.250"));
        await AllSeeAsync(nodes, Nodes + 1);
        output.WriteLine($"measured: all know of a new one after {clock.ElapsedMilliseconds} ms; etcd took {(Cpu() - cpu) * 1000:0} ms of CPU for it");

        // The first look of each at an etcd that is gone.
        var looks = new ConcurrentBag<double>();
        var began = Stopwatch.GetTimestamp();
        foreach (var node in nodes)
        {
            node.Client.BeforeNext(nameof(IEtcdClient.ListAsync), () =>
            {
                looks.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                return Task.CompletedTask;
            });
        }

        server.Process.Kill();
        await Wait.UntilAsync(() => Task.FromResult(looks.Count == Nodes), Limit, "a look of each");
        var sorted = looks.Order().ToArray();
        var spread = sorted[Nodes * 95 / 100] - sorted[Nodes * 5 / 100];
        output.WriteLine($"measured: nine tenths of them look again within {spread:0} ms, half within {sorted[Nodes * 3 / 4] - sorted[Nodes / 4]:0} ms");
        Assert.True(spread > 250, $"nine tenths of {Nodes} nodes come back within {spread:0} ms: that is a storm");

        await server.Process.RestartAsync();
        clock.Restart();
        await server.Process.CtlAsync("del", rig.Key("10.127.255.0-24"));
        await AllSeeAsync(nodes, Nodes);
        output.WriteLine($"measured: all are back {clock.ElapsedMilliseconds} ms after it answers, and have seen what happened since");
        Assert.All(nodes, n => n.AssertAlive());
        // A line for each change of state, however often each has asked meanwhile; here all share two CPUs, and an answer may be late once more.
        Assert.All(nodes, n => Assert.InRange(n.SessionLog.Count(LeaseNode.Disconnected), 1, 3));
    }

    private static Task AllSeeAsync(List<LeaseNode> nodes, int leases) => Wait.UntilAsync(
        () => Task.FromResult(nodes.TrueForAll(n => n.Store.Current.Leases is { IsComplete: true } view && view.Leases.Count == leases)), Limit, $"{leases} leases in the view of each");

    /// <summary>User and system time of etcd so far, in seconds: fields 14 and 15 of proc(5), counted behind the name in parentheses; 100 ticks a second.</summary>
    private double Cpu()
    {
        var text = File.ReadAllText($"/proc/{server.Process.Id}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0;
    }
}
