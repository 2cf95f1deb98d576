using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netlink;
using Accelerated.Lab;

namespace Accelerated.Bench.Receive;

/// <summary>
/// The receiving host. What comes in by the underlay is worked on by a kernel thread (threaded NAPI) that has a CPU of its own, as a card's
/// interrupts would be; a container at the end counts and drops. That thread's CPU time is what receiving costs.
/// </summary>
internal sealed class ReceiveSide(BenchLab lab, LabNode sender, LabNode receiver) : IAsyncDisposable
{
    private const string Underlay = "eth0";
    private const ushort FlowPort = 9001, ForgedPort = 9002;

    // A node of the lab that is not there.
    private const int Nobody = 77;

    // conntrack takes a flow for a lasting one after two seconds, lane 2 after that.
    private static readonly TimeSpan Acquaintance = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan BetweenWords = TimeSpan.FromMilliseconds(250);

    private BpfObject? _bareObject;
    private BpfLink? _bareLink;
    private int _thread;
    private byte[] _legitimate = [], _forged = [];

    private LabPod Near => sender.Pods[0];

    private LabPod Far => receiver.Pods[0];

    private string ReceiverPath => $"{LabLayout.NamespaceDirectory}/{receiver.Namespace}";

    /// <summary>Makes the arm's way the one that packets take.</summary>
    /// <exception cref="LabException">An agent does not get there.</exception>
    public async Task SwitchToAsync(ReceiveArm arm, CancellationToken cancel)
    {
        EndBareDrop();
        await Far.ExecAsync("nft", "delete", "table", "inet", "sink");
        await lab.SwitchToAsync(arm.Agents, cancel);
        await WriteFramesAsync();
        await GetAcquaintedAsync(cancel);
        await StartThreadAsync(cancel);
        if (arm.BareDrop)
            StartBareDrop();
        (await Far.ExecAsync(["nft", "-f", "-"], cancel: cancel, stdin: $$"""
            table inet sink {
                counter wanted { }
                counter forged { }
                chain arrived {
                    type filter hook prerouting priority raw; policy accept;
                    udp dport {{FlowPort}} counter name wanted drop
                    udp dport {{ForgedPort}} counter name forged drop
                }
            }
            """)).OrThrow();
    }

    /// <summary>Has a step sent, and looks at what became of it.</summary>
    /// <exception cref="LabException">Another than the arm's own lane took what was delivered.</exception>
    public async Task<Outcome> MeasureAsync(ReceiveArm arm, ReceiveStep step, double seconds, CancellationToken cancel)
    {
        var before = await LookAsync(cancel);
        var sent = await FloodSource.RunAsync(sender, new(Underlay, step.PerSecond, seconds, step.Share, _legitimate, _forged), cancel);
        // What was sent last is still on its way.
        await Task.Delay(TimeSpan.FromMilliseconds(50), cancel);
        var after = await LookAsync(cancel);
        var outcome = new Outcome(sent, after.Flow - before.Flow, after.Forged - before.Forged, after.Refused - before.Refused, after.ThreadNanoseconds - before.ThreadNanoseconds);
        Prove(arm, outcome, after.Passage.Since(before.Passage));
        return outcome;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        EndBareDrop();
        return ValueTask.CompletedTask;
    }

    private static void Prove(ReceiveArm arm, Outcome outcome, Passage passage)
    {
        const double nearlyAll = 0.8, stray = 0.02;
        var inbound = passage.Lanes.Where(l => l.Key.EndsWith(" in", StringComparison.Ordinal)).ToDictionary(l => l.Key, l => l.Value);
        // Lane 2 in takes what lane 1 in would.
        var taken = arm.Lane is null ? inbound.Values.Sum() : inbound.GetValueOrDefault(arm.Lane) + (arm.Lane == "1 in" ? inbound.GetValueOrDefault("2 in") : 0);
        if (arm.Lane is null ? taken > stray * outcome.Flow : taken < nearlyAll * outcome.Flow)
            throw new LabException($"no figure of the arm '{arm.Title}': of {outcome.Flow} packets delivered lane {arm.Lane ?? "(any)"} took {taken}; {passage}");
    }

    private async Task WriteFramesAsync()
    {
        var outer = new FloodEnds(await MacAsync(sender, Underlay), sender.Address, await MacAsync(receiver, Underlay), receiver.Address);
        var inner = new FloodEnds(await MacAsync(sender, "flannel.1"), Near.Address, await MacAsync(receiver, "flannel.1"), Far.Address);
        _legitimate = Bytes(FloodFrame.Of(outer, inner, FlowPort));
        _forged = Bytes(FloodFrame.Of(outer with { Source = LabLayout.NodeAddress(Nobody) }, inner, ForgedPort));

        static byte[] Bytes(FloodFrame frame) => ((ReadOnlySpan<byte>)frame).ToArray();

        static async Task<MacAddress> MacAsync(LabHost host, string device) => MacAddress.Parse((string)(await host.IpAsync("link", "show", device))[0]["address"]!);
    }

    /// <summary>Both containers say something, for as long as it takes to be a flow that the shortcut carries.</summary>
    private async Task GetAcquaintedAsync(CancellationToken cancel)
    {
        using var near = Open(Near);
        using var far = Open(Far);
        for (var spent = TimeSpan.Zero; spent < Acquaintance; spent += BetweenWords)
        {
            await SayAsync(near, far, Far.Address);
            await SayAsync(far, near, Near.Address);
            await Task.Delay(BetweenWords, cancel);
        }

        static UdpClient Open(LabPod pod) =>
            NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{pod.Namespace}", () => new UdpClient(new IPEndPoint(pod.Address, FlowPort)));

        async Task SayAsync(UdpClient from, UdpClient to, IPAddress address)
        {
            await from.SendAsync(new byte[1], new IPEndPoint(address, FlowPort), cancel);
            _ = await to.ReceiveAsync(cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(2), cancel);
        }
    }

    /// <summary>Has the underlay interface worked on by a thread, and gives that a CPU. It is another one after the interface was set up anew.</summary>
    private async Task StartThreadAsync(CancellationToken cancel)
    {
        // GRO is what makes a veth have a NAPI without XDP too.
        await receiver.RunAsync("ethtool", "-K", Underlay, "gro", "on");
        await receiver.RunAsync("unshare", "--mount", "sh", "-euc", $"mount -t sysfs sysfs /sys; echo 1 >/sys/class/net/{Underlay}/threaded");
        await Wait.UntilAsync("the thread of the receiver's interface", () => (_thread = FindThread()) != 0, TimeSpan.FromSeconds(5), () => "", cancel);
        if (OneCpu.Server is [_, _, var cpu])
            await receiver.RunAsync("taskset", "--cpu-list", "--pid", cpu, _thread.ToString(CultureInfo.InvariantCulture));

        static int FindThread() => Directory.EnumerateDirectories("/proc").Select(d => Path.GetFileName(d))
            .Where(name => char.IsAsciiDigit(name[0]) && File.Exists($"/proc/{name}/comm") && Comm(name).StartsWith($"napi/{Underlay}-", StringComparison.Ordinal))
            .Select(name => int.Parse(name, CultureInfo.InvariantCulture)).LastOrDefault();

        static string Comm(string process)
        {
            try
            {
                return File.ReadAllText($"/proc/{process}/comm");
            }
            catch (IOException)
            {
                // It has ended meanwhile.
                return "";
            }
        }
    }

    private void StartBareDrop()
    {
        _bareObject = FloodPlan.Load();
        using var map = _bareObject.Map("plans");
        map.Update(0u, new FloodPlan { Forged = MemoryMarshal.Read<FloodFrame>(_forged) });
        using var program = _bareObject.Program("bare_drop");
        _bareLink = NetworkNamespace.Invoke(ReceiverPath, () =>
        {
            using var routes = RouteSocket.Open();
            return BpfLink.AttachXdp(program, routes.FindLink(Underlay)!.Index);
        });
    }

    private void EndBareDrop()
    {
        _bareLink?.Detach();
        _bareLink?.Dispose();
        _bareObject?.Dispose();
        (_bareLink, _bareObject) = (null, null);
    }

    private async Task<State> LookAsync(CancellationToken cancel)
    {
        var counters = JsonNode.Parse(await Far.RunAsync("nft", "-j", "list", "counters", "table", "inet", "sink"))!["nftables"]!.AsArray()
            .Select(item => item!["counter"]).OfType<JsonNode>().ToDictionary(c => (string)c["name"]!, c => (ulong)c["packets"]!);
        var refused = 0UL;
        if (_bareObject is not null)
        {
            using var map = _bareObject.Map("plans");
            refused = map.TryLookup(0u, out FloodPlan plan) ? plan.Refused : 0;
        }

        // Time on a CPU in nanoseconds, time in the queue, turns (Documentation/scheduler/sched-stats.rst).
        var ran = long.Parse(File.ReadAllText($"/proc/{_thread}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);
        return new(counters["wanted"], counters["forged"], refused, ran, await lab.PassageAsync(cancel));
    }

    private sealed record State(ulong Flow, ulong Forged, ulong Refused, long ThreadNanoseconds, Passage Passage);

    /// <summary>What became of a step.</summary>
    /// <param name="Sent">By the sender.</param>
    /// <param name="Flow">Packets of the peer that reached the container.</param>
    /// <param name="Forged">Forged ones that did.</param>
    /// <param name="Refused">Those that <c>bare_drop</c> dropped.</param>
    /// <param name="ThreadNanoseconds">CPU time of the receiving thread.</param>
    internal sealed record Outcome(FloodSource.Sent Sent, ulong Flow, ulong Forged, ulong Refused, long ThreadNanoseconds);
}
