using System.Diagnostics;
using System.Globalization;
using System.Net;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Lab;

namespace Accelerated.Bench.Control;

/// <summary>
/// What has to be done inside a host of the lab: writing leases and seeing routes come. This program runs itself there; times are
/// <see cref="Stopwatch"/>'s, which count from the same moment in every process of a machine.
/// </summary>
internal static class ControlProbe
{
    /// <summary>Keys of subnets that no node of the lab takes: the lab's network is 10.64.0.0/10, its nodes are given the first of it.</summary>
    private const int FirstSubnet = 1000;

    // etcd takes 128 operations in a transaction.
    private const int Batch = 100;
    private const int ReceiveBuffer = 64 << 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>The network of a lab with thousands of peers.</summary>
    public const string Config = """{"Network":"10.64.0.0/10","SubnetMin":"10.64.1.0","SubnetMax":"10.67.0.0","Backend":{"Type":"vxlan"}}""";

    /// <summary>The command line that runs a part of this inside a host.</summary>
    public static IEnumerable<string> Command(string what, string endpoint, int count) =>
        ["dotnet", typeof(ControlProbe).Assembly.Location, CommandLine.Probe, what, $"{count}", endpoint];

    /// <summary>Puts the leases of <paramref name="count"/> peers into etcd.</summary>
    public static async Task SeedAsync(string endpoint, int count, CancellationToken cancel)
    {
        await using var etcd = Open(endpoint);
        foreach (var some in Enumerable.Range(0, count).Chunk(Batch))
            await etcd.TransactAsync([], [.. some.Select(n => EtcdOperation.Put(Key(n), Value(n), 0))], [], cancel);
    }

    /// <summary>Waits until <paramref name="count"/> routes of the agent have come; says "watching", and then when the last came.</summary>
    public static async Task ArriveAsync(int count, TextWriter output, CancellationToken cancel)
    {
        var done = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var seen = new HashSet<IPNetwork>(count);
        using var monitor = RouteMonitor.Start(
            happened =>
            {
                if (IsRoute(happened) && seen.Add(happened.Destination!.Value) && seen.Count == count)
                    done.TrySetResult(Stopwatch.GetTimestamp());
                if (happened.Kind == RouteEventKind.Overrun)
                    done.TrySetException(new LabException("the kernel lost notifications of routes: the figure would be wrong"));
            },
            e => done.TrySetException(e), ReceiveBuffer);
        await output.WriteLineAsync("watching");
        await output.FlushAsync(cancel);
        await output.WriteLineAsync((await done.Task.WaitAsync(Limit, cancel)).ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>
    /// Puts a new peer's lease and waits for its route, again and again; says for each how long after etcd's answer to the put the route was
    /// told of, in ms. Below zero where the agent was told before the writer.
    /// </summary>
    public static async Task LatencyAsync(string endpoint, int rounds, TextWriter output, CancellationToken cancel)
    {
        await using var etcd = Open(endpoint);
        using var came = new SemaphoreSlim(0);
        var (wanted, removed, at) = (default(IPNetwork), false, 0L);
        using var monitor = RouteMonitor.Start(happened =>
        {
            if (!IsRoute(happened) && !(happened.Kind == RouteEventKind.Route && happened.Removed))
                return;
            lock (came)
            {
                if (happened.Destination != wanted || happened.Removed != removed)
                    return;
                at = Stopwatch.GetTimestamp();
                wanted = default;
            }

            came.Release();
        });
        await output.WriteLineAsync("watching");
        for (var round = 0; round < rounds; round++)
        {
            var (key, subnet) = (Key(round), Subnet(round));
            lock (came)
                (wanted, removed) = (subnet, false);
            await etcd.PutAsync(key, Value(round), 0, cancel);
            var answered = Stopwatch.GetTimestamp();
            if (!await came.WaitAsync(Limit, cancel))
                throw new LabException($"no route to {subnet} within {Limit.TotalSeconds:0} s");
            await output.WriteLineAsync(((at - answered) * 1000.0 / Stopwatch.Frequency).ToString("0.0000", CultureInfo.InvariantCulture));
            lock (came)
                (wanted, removed) = (subnet, true);
            await etcd.DeleteAsync(key, cancel);
            if (!await came.WaitAsync(Limit, cancel))
                throw new LabException($"the route to {subnet} does not go");
            // The loop rests after a pass, as it does in a network that changes now and then.
            await Task.Delay(Random.Shared.Next(20, 60), cancel);
        }
    }

    private static EtcdClient Open(string endpoint) => new(new EtcdClientOptions { Endpoints = [new Uri(endpoint)] }, TimeProvider.System);

    private static bool IsRoute(RouteEvent happened) =>
        happened is { Kind: RouteEventKind.Route, Removed: false, Protocol: RouteProtocol.Accelerated, Destination: not null };

    private static IPNetwork Subnet(int peer) =>
        new(new IPAddress([10, (byte)(64 + ((FirstSubnet + peer) >> 8)), (byte)(FirstSubnet + peer), 0]), 24);

    private static string Key(int peer) => $"{LabEtcd.Prefix}/subnets/{Subnet(peer).ToString().Replace('/', '-')}";

    private static string Value(int peer) => new SubnetAttributes(
        new IPAddress([198, 18, (byte)(peer >> 8), (byte)peer]), null, "vxlan",
        new VtepData(1, MacAddress.FromBytes([2, 0, 0, 0, (byte)(peer >> 8), (byte)peer])), null).ToJson();
}
