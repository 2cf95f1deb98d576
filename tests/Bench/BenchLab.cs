using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Accelerated.Bench.Control;
using Accelerated.Interop;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>
/// Two hosts joined by one veth, a container on each, rules as hosts in use have them. Stands while arms and links change: an arm is
/// the agents' flags (and a route where there is no agent), a link is offloads of the veth.
/// </summary>
internal sealed class BenchLab : IAsyncDisposable
{
    private static readonly IPAddress ServiceAddress = IPAddress.Parse("10.254.0.10");
    private static readonly TimeSpan SwitchDeadline = TimeSpan.FromSeconds(30);

    // Rest: less than a tenth of a CPU in half a second. On a machine that others keep busy it never comes.
    private const double RestBusy = 0.1;
    private static readonly TimeSpan RestLook = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan RestDeadline = TimeSpan.FromSeconds(5);

    private readonly NetworkLab _lab;
    private ImmutableArray<string> _flags = [];
    private bool _segmentation = true; // As a veth is made.

    private BenchLab(NetworkLab lab) => _lab = lab;

    /// <summary>Its hosts.</summary>
    public IReadOnlyList<LabNode> Nodes => _lab.Nodes;

    private LabNode Client => _lab.Node(1);

    private LabNode Server => _lab.Node(2);

    /// <summary>Builds it; no arm is chosen yet.</summary>
    /// <param name="name">Prefix of its namespaces.</param>
    /// <param name="peers">Leases of hosts that are not there, beside the two that are.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="LabException">It cannot be built; what there was of it is gone again.</exception>
    public static async Task<BenchLab> UpAsync(string name, int peers, CancellationToken cancel)
    {
        // The datapath says that there is to be a BPF file system; what the agents run with is the arm's to say.
        var spec = new LabSpec { Name = name, Link = LabLink.Direct, Datapath = LabSpec.BpfDatapath, Config = ControlProbe.Config };
        var bench = new BenchLab(await NetworkLab.UpAsync(spec, cancel));
        try
        {
            if (peers > 0)
                await bench.Client.RunAsync([.. ControlProbe.Command("seed", bench._lab.Layout.EtcdEndpoint, peers)]);
            await bench.StartAgentsAsync(["--datapath=kernel"], cancel);
            await bench._lab.EachNodeAsync((node, token) => new ValueTask(node.AttachPodsAsync(token)), cancel);
            await bench.SetRulesAsync();
            return bench;
        }
        catch
        {
            await bench.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes an arm's way the one that packets take, and waits until they do.</summary>
    /// <exception cref="LabException">An agent does not get there; the message has its own words.</exception>
    public async Task SwitchToAsync(Arm arm, CancellationToken cancel)
    {
        await EachPairAsync((node, peer) => node.ExecAsync("ip", "route", "del", peer.Subnet().Subnet.ToString(), "via", peer.Address.ToString()));
        if (!_flags.SequenceEqual(arm.AgentFlags) || Nodes.Any(n => !n.AgentIsRunning))
            await StartAgentsAsync(arm.AgentFlags, cancel);
        await _lab.EachNodeAsync((node, token) => new ValueTask(WaitDatapathAsync(node, arm, token)), cancel);
        await _lab.WaitRoutesAsync(SwitchDeadline, cancel);
        if (arm.OwnRoutes)
        {
            await _lab.EachNodeAsync(async (node, _) => await node.StopAgentAsync(), cancel);
            await EachPairAsync((node, peer) => node.RunAsync("ip", "route", "replace", peer.Subnet().Subnet.ToString(), "via", peer.Address.ToString()));
        }

        // What an arm has left in conntrack is not to be in the way of the next: the driver makes two entries for each flow, outer and inner.
        await _lab.EachNodeAsync(async (node, _) => await node.RunAsync("conntrack", "--flush"), cancel);
        var (client, server) = (_lab.Pod(1, 1), _lab.Pod(2, 1));
        await Wait.UntilAsync(
            $"an answer from {server.Namespace} in the arm '{arm.Title}'", async () => (await client.PingAsync(server.Address, 1, cancel)).Received > 0,
            SwitchDeadline, Client.LogTail, cancel);
        await RestAsync(cancel);
    }

    /// <summary>Gives the link its offloads.</summary>
    /// <param name="segmentation">
    /// True as a veth is: packets of 64 KiB cross it whole. False as a plain network card is: the sender segments, the receiver
    /// aggregates (GRO).
    /// </param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="LabException">ethtool failed.</exception>
    public async Task SetLinkAsync(bool segmentation, CancellationToken cancel)
    {
        if (_segmentation == segmentation)
            return;
        var (sender, receiver) = segmentation ? ("on", "off") : ("off", "on");
        await _lab.EachNodeAsync(
            async (node, _) => await node.RunAsync("ethtool", "-K", "eth0", "tso", sender, "gso", sender, "gro", receiver), cancel);
        _segmentation = segmentation;
    }

    /// <summary>Measures a case in the arm and on the link that are set, and proves that the arm carried it.</summary>
    /// <exception cref="LabException">The load failed, or something else carried the packets.</exception>
    public async Task<(Reading Reading, Passage Passage)> MeasureAsync(Arm arm, Case measured, TimeSpan duration, CancellationToken cancel)
    {
        var (client, server) = arm.BetweenHosts ? ((LabHost)Client, (LabHost)Server) : (_lab.Pod(1, 1), _lab.Pod(2, 1));
        var address = arm.BetweenHosts ? Server.Address : _lab.Pod(2, 1).Address;
        Passage? before = null;
        var course = new Course(
            client, server, address, measured.ToService ? ServiceAddress : address, duration, async () => before = await PassageAsync(cancel), cancel);
        var reading = await measured.Measure(course);
        var passage = (await PassageAsync(cancel)).Since(before!);
        if (passage.Fault(arm, measured) is { } fault)
            throw new LabException($"{measured.Title} in the arm '{arm.Title}' is no figure of that arm: {fault}, but {passage}\n{await ExplainAsync(cancel)}");
        return (reading, passage);
    }

    /// <summary>Keeps the agents' logs.</summary>
    /// <returns>Where.</returns>
    public string? SaveLogs() => _lab.SaveLogs() is { Count: > 0 } files ? Path.GetDirectoryName(files[0]) : null;

    /// <summary>Removes every trace.</summary>
    public ValueTask DisposeAsync() => _lab.DisposeAsync();

    /// <summary>Agents that have just started are busy with themselves, and a machine of two CPUs has none to spare for that.</summary>
    private static async Task RestAsync(CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        CpuTime before;
        do
        {
            before = CpuTime.Read();
            await Task.Delay(RestLook, cancel);
        }
        while (CpuTime.Read().PerSecondSince(before) > RestBusy && clock.Elapsed < RestDeadline);
    }

    private async Task StartAgentsAsync(ImmutableArray<string> flags, CancellationToken cancel)
    {
        await _lab.EachNodeAsync(
            async (node, token) =>
            {
                if (node.AgentIsRunning)
                    await node.StopAgentAsync();
                node.StartAgent([.. flags]);
                await node.WaitReadyAsync(SwitchDeadline, token);
            }, cancel);
        _flags = flags;
    }

    /// <summary>
    /// Conntrack is on because somebody asks for the state of connections, as on any host with a firewall; the service is an address
    /// that the client's host translates, as kube-proxy does.
    /// </summary>
    private async Task SetRulesAsync()
    {
        const string stateful = """
            table inet bench {
                chain forward {
                    type filter hook forward priority filter; policy accept;
                    ct state established accept
                }
            }
            """;
        foreach (var node in Nodes)
            await NftAsync(node, stateful);
        await NftAsync(Client, $$"""
            table ip bench-service {
                chain prerouting {
                    type nat hook prerouting priority dstnat; policy accept;
                    ip daddr {{ServiceAddress}} tcp dport {{Course.Port}} dnat to {{_lab.Pod(2, 1).Address}}
                }
            }
            """);
    }

    private static async Task NftAsync(LabNode node, string rules) => (await node.ExecAsync(["nft", "-f", "-"], rules)).OrThrow();

    private Task EachPairAsync(Func<LabNode, LabNode, Task> action) => Task.WhenAll(action(Client, Server), action(Server, Client));

    private static async Task WaitDatapathAsync(LabNode node, Arm arm, CancellationToken cancel)
    {
        JsonObject? status = null;
        try
        {
            await node.WaitAgentAsync(
                $"the datapath {arm.Datapath} and a confirmed peer", async () => (status = await TryStatusAsync(node, cancel)) is not null && IsThere(), SwitchDeadline, cancel);
        }
        catch (LabException e) when (status is not null && (string?)status["datapath"] != arm.Datapath)
        {
            throw new LabException(
                $"the arm '{arm.Title}' wants the datapath {arm.Datapath} ({string.Join(' ', arm.AgentFlags)}), but the agent of {node.Namespace} says "
                + $"{status["datapath"]}: {status["datapathReason"]}\n{e.Message}", e);
        }

        // Routes are there from the arm before, so they do not say that the agent knows its peer yet.
        bool IsThere() =>
            (string?)status["datapath"] == arm.Datapath && (bool?)status["provisional"] == false
            && status["peers"]!.AsArray().Any(p => (string?)p!["state"] == "installed");
    }

    /// <summary>What the agents say about their lanes, and the ends of their logs.</summary>
    private async Task<string> ExplainAsync(CancellationToken cancel)
    {
        var lines = new List<string>();
        foreach (var node in Nodes)
        {
            var status = node.AgentIsRunning ? await TryStatusAsync(node, cancel) : null;
            lines.Add($"{node.Namespace}: {status?["datapath"] ?? "no agent"}: {status?["datapathReason"]}; lanes, counted since they are there: {status?["lanes"]?.ToJsonString()}");
            lines.Add(node.LogTail());
        }

        return string.Join('\n', lines);
    }

    /// <summary>Who has carried packets so far.</summary>
    public async Task<Passage> PassageAsync(CancellationToken cancel)
    {
        var lanes = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var (containers, underlay, driver) = (0L, 0L, 0L);
        foreach (var node in Nodes)
        {
            var sent = SentPackets(node);
            underlay += sent.GetValueOrDefault("eth0");
            driver += sent.Where(s => s.Key.StartsWith("flannel.", StringComparison.Ordinal)).Sum(s => s.Value);
            containers += node.Pods.Sum(pod => SentPackets(pod).GetValueOrDefault("eth0"));
            var status = node.AgentIsRunning ? await TryStatusAsync(node, cancel) : null;
            foreach (var lane in status?["lanes"]?.AsArray() ?? [])
            {
                var name = (string)lane!["lane"]!;
                lanes[name] = lanes.GetValueOrDefault(name) + (long)lane["taken"]!;
            }
        }

        return new Passage(containers, underlay, driver, lanes.ToImmutableSortedDictionary());
    }

    /// <summary>Packets sent so far, by interface.</summary>
    private static Dictionary<string, long> SentPackets(LabHost host)
    {
        // name: eight fields of what was received, then bytes and packets sent (proc(5)).
        const int packets = 9;
        return NetworkNamespace.Invoke(
            $"{LabLayout.NamespaceDirectory}/{host.Namespace}",
            () => File.ReadLines("/proc/thread-self/net/dev").Skip(2).Select(line => line.Split(':')).ToDictionary(
                part => part[0].Trim(),
                part => long.Parse(part[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[packets], System.Globalization.CultureInfo.InvariantCulture)));
    }

    /// <summary>The agent's status from its socket: in a measurement there is no time for another process. Null if it does not answer.</summary>
    private static async Task<JsonObject?> TryStatusAsync(LabNode node, CancellationToken cancel)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint($"{node.RunDirectory}/agent.sock"), cancel);
            await using var stream = new NetworkStream(socket);
            await stream.WriteAsync("{\"method\":\"status\"}\n"u8.ToArray(), cancel);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return await reader.ReadLineAsync(cancel) is { } line ? JsonNode.Parse(line) as JsonObject : null;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return null;
        }
    }
}
