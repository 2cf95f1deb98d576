using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Accelerated.Lab;
using Accelerated.Soak.Faults;

namespace Accelerated.Soak;

/// <summary>One run: builds the lab, makes the faults, undoes them, and judges what is left.</summary>
internal sealed class SoakRun(SoakOptions options, TextWriter output)
{
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(40);
    private static readonly TimeSpan Sampling = TimeSpan.FromSeconds(5);

    /// <summary>An agent counts as warm this long after its start.</summary>
    private static readonly TimeSpan Warm = TimeSpan.FromSeconds(8);

    // A status client, a connection to etcd that is being replaced, a socket of the survey.
    private const int MoreDescriptors = 8;

    // What a heap keeps after a burst of two hundred peers, and code that had not run before the faults.
    private const long MorePssKilobytes = 16 * 1024;

    private const int ShownLines = 20;

    private readonly ConcurrentQueue<Incident> _incidents = new();
    private readonly ConcurrentQueue<string> _findings = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _claims = new();
    private readonly ConcurrentQueue<Vitals> _samples = new();

    /// <summary>Runs to the end, whatever is found on the way.</summary>
    /// <exception cref="LabException">The lab cannot be built, or its nodes do not come up in the first place.</exception>
    public async Task<SoakReport> RunAsync(CancellationToken cancel)
    {
        await SayAsync($"seed {options.Seed} (again: make soak SEED={options.Seed} MINUTES={options.Duration.TotalMinutes.ToString(CultureInfo.InvariantCulture)})");
        await using var lab = await NetworkLab.UpAsync(SoakLab.Spec(options.LabName), cancel);
        try
        {
            return await JudgeAsync(lab, cancel);
        }
        finally
        {
            if (!_findings.IsEmpty)
                lab.SaveLogs(Path.Combine(options.Output, $"soak-{options.Seed}"));
        }
    }

    private async Task<SoakReport> JudgeAsync(NetworkLab lab, CancellationToken cancel)
    {
        var soak = new SoakLab(lab);
        await soak.StartAsync(cancel);
        await using var talk = new Conversations(soak);
        await talk.StartAsync(cancel);
        await talk.WaitAliveAsync(Settled, cancel);
        await SettleAsync(soak, cancel);
        var keys = await KeysAsync(lab);
        var lanes = await DatapathsAsync(lab);
        foreach (var node in soak.WithLanes.Where(n => lanes[n] != "bpf"))
            _findings.Enqueue($"node {node.Number} is on the datapath {lanes[node]} before anything happened, so the lanes would not be tested");

        using var sampling = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var samples = SampleAsync(lab, sampling.Token);
        // What is there before a fault comes is what the end is compared with.
        await Task.Delay(Warm + Sampling, cancel);
        var begin = DateTimeOffset.UtcNow;
        await SayAsync("faults begin");
        await MakeFaultsAsync(Schedule.Draw(FaultCatalog.Of(soak), options.Seed, options.Duration), cancel);
        var seconds = (DateTimeOffset.UtcNow - begin).TotalSeconds;
        await SayAsync("all faults are undone");

        foreach (var node in lab.Nodes.Where(n => !n.AgentIsRunning))
        {
            _findings.Enqueue($"the agent of node {node.Number} has exited with {node.AgentExitCode}: {node.LogTail()}");
            SoakLab.StartAgent(node);
        }

        await TryAsync("the lab does not settle", () => SettleAsync(soak, cancel));
        await TryAsync("the containers do not talk again", () => talk.WaitAliveAsync(Settled, cancel));
        await TryAsync("an agent does not answer", async () =>
        {
            foreach (var (node, datapath) in await DatapathsAsync(lab))
            {
                if (datapath != lanes[node])
                    _findings.Enqueue($"node {node.Number} is on the datapath {datapath}, and was on {lanes[node]}");
            }
        });

        var after = await KeysAsync(lab);
        if (after != keys)
            _findings.Enqueue($"the leases are not what they were:\n{KernelState.Difference(keys, after)}");
        var agents = await JudgeAgentsAsync(lab, cancel);
        var (streams, traces) = (talk.Carried(), talk.Traces().ToList());
        await sampling.CancelAsync();
        await samples;

        var timeline = new Timeline([.. _incidents.OrderBy(i => i.Number)]);
        var (pings, losses) = JudgePings(timeline, traces);
        var explained = JudgeLogs(lab, timeline);
        foreach (var node in lab.Nodes)
            await TryAsync($"node {node.Number} cannot be compared with a fresh one", () => CompareWithFreshAsync(node, cancel));
        if (await KeysAsync(lab) is var again && again != after)
            _findings.Enqueue($"a fresh start took other leases:\n{KernelState.Difference(after, again)}");

        return new SoakReport(
            options.Seed, begin, seconds,
            [.. timeline.Incidents.Select(i => new SoakReport.FaultLine(i.Number, i.Fault.Name, i.Fault.Place, i.Detail, i.Begin, i.End, losses.GetValueOrDefault(i)))],
            [.. _findings], pings, streams, agents, explained, [.. _samples]);
    }

    private async Task MakeFaultsAsync(IReadOnlyList<Planned> plan, CancellationToken cancel)
    {
        var watch = Stopwatch.StartNew();
        var running = new List<Task>();
        foreach (var planned in plan)
        {
            if (planned.At - watch.Elapsed is { Ticks: > 0 } pause)
                await Task.Delay(pause, cancel);
            running.Add(MakeAsync(planned, watch, cancel));
        }

        await Task.WhenAll(running);
    }

    private async Task MakeAsync(Planned planned, Stopwatch watch, CancellationToken cancel)
    {
        var fault = planned.Fault;
        var claims = fault.Claims.Order(StringComparer.Ordinal).Select(c => _claims.GetOrAdd(c, _ => new SemaphoreSlim(1))).ToList();
        foreach (var claim in claims)
            await claim.WaitAsync(cancel);
        try
        {
            var begin = DateTimeOffset.UtcNow;
            var detail = await fault.DoAsync(new Random(planned.Seed), cancel);
            var made = DateTimeOffset.UtcNow;
            await SayAsync($"{watch.Elapsed.TotalSeconds,6:0.0} s  #{planned.Number} {fault.Name}, {fault.Place}: {detail}{(planned.Hold > TimeSpan.Zero ? $"; for {planned.Hold.TotalSeconds:0.0} s" : "")}");
            var end = made;
            if (planned.Hold > TimeSpan.Zero)
            {
                await Task.Delay(planned.Hold, cancel);
                await fault.UndoAsync(cancel);
                end = DateTimeOffset.UtcNow;
            }

            _incidents.Enqueue(new Incident(planned.Number, fault, detail, begin, made, end));
        }
        catch (LabException e)
        {
            _findings.Enqueue($"#{planned.Number} {fault.Name}, {fault.Place}: {e.Message}");
        }
        finally
        {
            foreach (var claim in claims)
                claim.Release();
        }
    }

    /// <summary>Waits until every agent says that all is well.</summary>
    private static async Task SettleAsync(SoakLab soak, CancellationToken cancel)
    {
        foreach (var node in soak.Lab.Nodes)
        {
            var last = "";
            await Wait.UntilAsync(
                $"health of {node.Namespace}", async () =>
                {
                    if (!node.AgentIsRunning)
                        throw new LabException($"the agent of {node.Namespace} has exited with {node.AgentExitCode}\n{node.LogTail()}");
                    var status = await node.StatusAsync(cancel);
                    last = status.ToJsonString();
                    return (string?)status["health"] == "ok" && (bool)status["ready"]! && !(bool)status["provisional"]! && (bool)status["etcd"]!["connected"]!
                        && status["peers"]!.AsArray().Count == soak.Lab.Nodes.Count - 1;
                },
                Settled, () => $"{last}\n{node.LogTail()}", cancel);
        }

        await soak.Lab.WaitRoutesAsync(cancel: cancel);
    }

    private async Task SampleAsync(NetworkLab lab, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            foreach (var node in lab.Nodes)
            {
                if (Vitals.TryLook(node) is { } vitals)
                    _samples.Enqueue(vitals);
            }

            try
            {
                await Task.Delay(Sampling, cancel);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task<List<SoakReport.AgentLine>> JudgeAgentsAsync(NetworkLab lab, CancellationToken cancel)
    {
        var lines = new List<SoakReport.AgentLine>();
        foreach (var node in lab.Nodes.Where(n => n.AgentIsRunning))
        {
            var life = _samples.Where(s => s.Node == node.Number && s.ProcessId == node.AgentProcessId).ToList();
            // One that was started just now has no past to compare with.
            if (life.FirstOrDefault(s => s.At - life[0].At >= Warm) is not { } warm)
                continue;
            // One that is warm may still be without its lanes, if a fault took what they need; the host's first agent had all.
            warm = warm with { Descriptors = Math.Max(warm.Descriptors, _samples.First(s => s.Node == node.Number).Descriptors) };
            Vitals? last = null;
            // The agent gives memory back when nothing has happened for a while.
            await TryAsync($"the agent of node {node.Number} holds more than it did", () => Wait.UntilAsync(
                "file descriptors and memory", () =>
                    (last = Vitals.TryLook(node)) is not null && last.Descriptors <= warm.Descriptors + MoreDescriptors && last.PssKilobytes <= warm.PssKilobytes + MorePssKilobytes,
                Settled, () => $"after its start {warm}\nnow {last}\n{Descriptors(node)}", cancel));
            if (last is not null)
                lines.Add(new SoakReport.AgentLine(node.Namespace, warm.Descriptors, last.Descriptors, warm.PssKilobytes, last.PssKilobytes, (last.At - life[0].At).TotalSeconds));
        }

        return lines;
    }

    private (List<SoakReport.PingLine> Lines, Dictionary<Incident, int> Losses) JudgePings(
        Timeline timeline, List<(LabNode One, LabNode Other, PingTrace Trace)> traces)
    {
        var (lines, losses) = (new List<SoakReport.PingLine>(), new Dictionary<Incident, int>());
        foreach (var (one, other, trace) in traces)
        {
            var unexplained = new List<DateTimeOffset>();
            foreach (var at in trace.Lost)
            {
                if (timeline.Explain(at, one, other) is { } incident)
                    losses[incident] = losses.GetValueOrDefault(incident) + 1;
                else
                    unexplained.Add(at);
            }

            lines.Add(new SoakReport.PingLine(one.Namespace, other.Namespace, trace.Sent, trace.Lost.Count, unexplained.Count));
            if (unexplained.Count > 0)
            {
                var (first, last) = (unexplained[0], unexplained[^1]);
                var around = timeline.Incidents.Where(i => i.Begin <= last.AddSeconds(1) && i.End >= first.AddSeconds(-15)).Select(i => $"{i} {Time(i.Begin)} to {Time(i.End)}");
                _findings.Enqueue(
                    $"{unexplained.Count} packets between node {one.Number} and node {other.Number} are lost without a reason, from {Time(first)} to {Time(last)}; "
                    + $"around that time:\n{string.Join('\n', around)}");
            }
        }

        return (lines, losses);
    }

    private int JudgeLogs(NetworkLab lab, Timeline timeline)
    {
        var explained = 0;
        foreach (var node in lab.Nodes)
        {
            var lines = LogLine.Of(node).Where(l => l.WantsExplanation).ToLookup(l => l.At is { } at && timeline.Explains(at, node, l.Message));
            explained += lines[true].Count();
            var open = lines[false].Select(l => $"{(l.At is { } when ? Time(when) : "")} {l.Level} {l.Message}").ToList();
            if (open.Count > 0)
                _findings.Enqueue($"{open.Count} lines of the log of node {node.Number} that no fault explains, the first of them:\n{string.Join('\n', open.Take(ShownLines))}");
        }

        return explained;
    }

    /// <summary>Takes away all that an agent has made, starts another, and looks whether that makes the same.</summary>
    private async Task CompareWithFreshAsync(LabNode node, CancellationToken cancel)
    {
        var aged = await KernelState.ReadAsync(node);
        if (await node.StopAgentAsync() is not 0 and var code)
            throw new LabException($"SIGTERM ended the agent with exit code {code}\n{node.LogTail()}");
        (await node.CleanupAsync(SoakLab.Flags(node))).OrThrow();
        var left = await node.RunAsync("sh", "-ec", "ip -o link show type vxlan; nft list tables; ip route show proto 143");
        if (left.Length > 0 || Directory.Exists(SoakLab.Pins(node)) || File.Exists(node.SubnetFile))
            _findings.Enqueue($"cleanup has left something on node {node.Number}: {left} {node.SubnetFile} {SoakLab.Pins(node)}");
        SoakLab.StartAgent(node);
        await node.WaitReadyAsync(Settled, cancel);
        var fresh = "";
        await Wait.UntilAsync(
            $"the state of {node.Namespace} to be that of a fresh start", async () => (fresh = await KernelState.ReadAsync(node)) == aged, Settled,
            () => $"- after the soak, + after a fresh start\n{KernelState.Difference(aged, fresh)}", cancel);
        await SayAsync($"node {node.Number} is as a fresh one: {aged.Split('\n').Length} lines equal");
    }

    private async Task TryAsync(string finding, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (LabException e)
        {
            _findings.Enqueue($"{finding}: {e.Message}");
        }
    }

    private static async Task<Dictionary<LabNode, string>> DatapathsAsync(NetworkLab lab)
    {
        var datapaths = new Dictionary<LabNode, string>();
        foreach (var node in lab.Nodes.Where(n => n.AgentIsRunning))
            datapaths[node] = (string?)(await node.StatusAsync())["datapath"] ?? "";
        return datapaths;
    }

    private static async Task<string> KeysAsync(NetworkLab lab) =>
        string.Join('\n', (await lab.Etcd.ListAsync()).Select(k => $"{k.Key} {k.Value} {(k.LeaseId != 0 ? "with" : "without")} a TTL"));

    /// <summary>What the descriptors of an agent lead to, the most frequent first.</summary>
    private static string Descriptors(LabNode node) =>
        string.Join(
            ", ",
            new DirectoryInfo($"/proc/{node.AgentProcessId}/fd").EnumerateFileSystemInfos().Select(f => f.LinkTarget ?? "gone").Select(t => t.Split(':', '[')[0])
                .CountBy(t => t).OrderByDescending(t => t.Value).Select(t => $"{t.Value} {t.Key}"));

    private static string Time(DateTimeOffset at) => at.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);

    private Task SayAsync(string line) => output.WriteLineAsync($"soak: {line}");
}
