using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lanes;

namespace Accelerated.System.Tests.Faults;

/// <summary>
/// Two nodes whose containers talk over the lanes, and what is to outlast every fault of etcd: the packets of a ping at 100 Hz, the kernel's state
/// and the nodes' subnets. Everything is compared with how it was at the beginning of the scene.
/// </summary>
internal sealed class FaultScene : IAsyncDisposable
{
    private static readonly TimeSpan Generous = TimeSpan.FromSeconds(30);

    private readonly ITestOutputHelper _output;
    private readonly PingRun _ping;
    private readonly Dictionary<LabNode, string> _kernel;
    private readonly Dictionary<LabNode, int> _told;
    private int _numbers;
    private readonly Stopwatch _clock = new();
    private readonly Dictionary<string, EtcdKey> _strangers = [];

    private FaultScene(NetworkLab lab, ITestOutputHelper output, PingRun ping, IReadOnlyList<EtcdKey> keys, Dictionary<LabNode, string> kernel)
    {
        (Lab, _output, _ping, Keys, _kernel) = (lab, output, ping, keys, kernel);
        _told = lab.Nodes.ToDictionary(n => n, n => Log(n).Count);
    }

    public NetworkLab Lab { get; }

    public LabEtcd Etcd => Lab.Etcd;

    public LabNode Node => Lab.Node(1);

    /// <summary>The subnet leases at the beginning: one for each node.</summary>
    public IReadOnlyList<EtcdKey> Keys { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts the agents and the ping.</summary>
    public static async Task<FaultScene> BeginAsync(NetworkLab lab, ITestOutputHelper output)
    {
        await lab.StartAllAsync(cancel: Cancel);
        foreach (var node in lab.Nodes)
            await node.WaitDatapathAsync("bpf");
        await lab.PingThroughLanesAsync();
        var keys = await lab.Etcd.ListAsync(cancel: Cancel);
        await Overlay.WaitAllAsync(lab.Nodes, keys);
        var kernel = new Dictionary<LabNode, string>();
        foreach (var node in lab.Nodes)
            kernel[node] = await Overlay.OfKernelAsync(node);
        var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        return new FaultScene(lab, output, ping, keys, kernel);
    }

    /// <summary>The member a node talks to.</summary>
    public async Task<EtcdMember> MemberOfAsync(LabNode node)
    {
        var endpoint = (string?)(await AgentSocket.StatusAsync(node))["etcd"]!["endpoint"];
        return Etcd.Members.Single(m => m.Endpoint == endpoint);
    }

    /// <summary>Waits until a node says that etcd is away.</summary>
    public static Task<JsonObject> WaitAwayAsync(LabNode node) =>
        AgentSocket.WaitAsync(node, "etcd's absence", s => !(bool)s["etcd"]!["connected"]! && AgentSocket.Problems(s).Contains("etcd-unreachable"), Generous);

    /// <summary>Waits until a node says that etcd is there.</summary>
    public static Task<JsonObject> WaitBackAsync(LabNode node) =>
        AgentSocket.WaitAsync(node, "etcd's return", s => (bool)s["etcd"]!["connected"]! && !AgentSocket.Problems(s).Contains("etcd-unreachable"), Generous);

    /// <summary>Lets some time pass, measured in packets that arrive.</summary>
    public Task LastAsync(TimeSpan time) => _ping.WaitAnswersAsync((int)(time.TotalSeconds * 90), time * 2 + Generous, Cancel);

    /// <summary>Waits until etcd has the nodes' leases as they were, whoever had to write them.</summary>
    public Task WaitKeysAsync() => Wait.UntilAsync(
        "the nodes' leases in etcd",
        async () => (await Etcd.ListAsync(cancel: Cancel)).Select(k => (k.Key, k.Value)).ToHashSet().IsSupersetOf(Keys.Select(k => (k.Key, k.Value))),
        Generous, () => string.Join('\n', Lab.Nodes.Select(n => n.LogTail())), Cancel);

    /// <summary>What the kernel has is what it had at the beginning.</summary>
    public async Task AssertUntouchedAsync()
    {
        foreach (var (node, before) in _kernel)
            Assert.Equal(before, await Overlay.OfKernelAsync(node));
    }

    /// <summary>The operator writes the lease of a node that nobody has met. Gives its key.</summary>
    public async Task<string> PutStrangerAsync()
    {
        var number = ++_numbers;
        var (key, value) = (LabSteps.KeyName($"10.5.{255 - number}.0/24"), LabSteps.LeaseValue($"192.0.2.{70 + number}", $"02:00:00:00:00:{70 + number}"));
        _strangers[key] = new EtcdKey(key, value, 0, 0);
        await Etcd.CtlAsync("put", key, value);
        return key;
    }

    /// <summary>The operator deletes it.</summary>
    public async Task DeleteStrangerAsync(string key)
    {
        await Etcd.CtlAsync("del", key);
        _strangers.Remove(key);
    }

    /// <summary>The time that <see cref="RecoverAsync"/> measures begins.</summary>
    public void Mark() => _clock.Restart();

    /// <summary>
    /// Waits until the kernel of every node has the nodes and strangers there are, and writes the time since <see cref="Mark"/> down for
    /// docs/reliability.md.
    /// </summary>
    /// <param name="scenario">Its name in the table.</param>
    /// <param name="limit">How long it may take; 30 s if null.</param>
    public async Task RecoverAsync(string scenario, TimeSpan? limit = null)
    {
        await FollowAsync();
        Record(scenario, _clock.Elapsed);
        Assert.InRange(_clock.Elapsed, TimeSpan.Zero, limit ?? Generous);
    }

    /// <summary>Waits until the kernel of every node has the nodes and strangers there are.</summary>
    public async Task FollowAsync()
    {
        foreach (var node in Lab.Nodes)
            await Overlay.WaitAsync(node, Overlay.Of(node, Keys.Concat(_strangers.Values)), Generous);
    }

    private void Record(string scenario, TimeSpan took)
    {
        _output.WriteLine($"measured: {scenario}: {took.TotalSeconds:0.00} s");
        var folder = Path.Combine(LabTools.Repository ?? Environment.CurrentDirectory, "artifacts", "faults");
        Directory.CreateDirectory(folder);
        File.WriteAllText(
            Path.Combine(folder, $"{scenario}.json"),
            new JsonObject { ["name"] = scenario, ["seconds"] = double.Parse(took.TotalSeconds.ToString("0.00", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) }.ToJsonString() + "\n");
    }

    /// <summary>What a node's log says of etcd since the beginning: <c>warn</c> and what is worse, and the words of connections.</summary>
    public IReadOnlyList<string> Told(LabNode node) =>
        [.. Log(node).Skip(_told[node]).Where(l => l.Contains(" warn ") || l.Contains(" error ") || l.Contains(" fatal ") || l.Contains(" leases: "))];

    /// <summary>Each node's log says this since the beginning, a line for each part, in this order, and nothing else.</summary>
    /// <param name="nodes">Those that were affected.</param>
    /// <param name="parts">What the lines contain.</param>
    public void AssertTold(IEnumerable<LabNode> nodes, params string[] parts)
    {
        foreach (var node in nodes)
        {
            var told = Told(node);
            Assert.True(
                told.Count == parts.Length && told.Zip(parts).All(p => p.First.Contains(p.Second, StringComparison.Ordinal)),
                $"{node.Namespace} was to say:\n  {string.Join("\n  ", parts)}\nand said:\n  {string.Join("\n  ", told)}");
        }
    }

    /// <summary>
    /// Each node's log says nothing, or once that etcd was away and is back: while the members elect a leader, none of them answers.
    /// </summary>
    public void AssertToldOfAnElectionAtMost()
    {
        foreach (var node in Lab.Nodes)
        {
            if (Told(node).Count > 0)
                AssertTold([node], "etcdserver: no leader", "etcd answers at ");
        }
    }

    /// <summary>The strangers go; then keys, kernel and agents are as they were, and no packet was lost.</summary>
    /// <param name="sameRevisions">Whether the nodes' keys are also to be the ones that were written at the beginning.</param>
    /// <param name="lossless">Whether no packet may be lost; not where the scenario takes a node out of the network.</param>
    public async Task EndAsync(bool sameRevisions = true, bool lossless = true)
    {
        foreach (var key in _strangers.Keys.ToList())
            await DeleteStrangerAsync(key);
        foreach (var (node, before) in _kernel)
            await Overlay.WaitAsync(node, before, Generous);
        var keys = await Etcd.ListAsync(cancel: Cancel);
        if (sameRevisions)
            Assert.Equal(Keys, keys);
        else
            Assert.Equal(Keys.Select(k => (k.Key, k.Value)), keys.Select(k => (k.Key, k.Value)));
        await _ping.WaitAnswersAsync(10, cancel: Cancel);
        var ping = await _ping.StopAsync();
        _output.WriteLine($"measured: {ping}");
        // All were answered a moment ago; those that were under way when ping was stopped are no loss.
        Assert.InRange(ping.AfterLastAnswer, 0, 20);
        if (lossless)
            Assert.Equal(ping.Sent - ping.AfterLastAnswer, ping.Received);
        Assert.All(Lab.Nodes, n => Assert.True(n.AgentIsRunning));
    }

    public ValueTask DisposeAsync() => _ping.DisposeAsync();

    private static List<string> Log(LabNode node) => [.. LogFiles.Read(node.LogFile).Split('\n', StringSplitOptions.RemoveEmptyEntries)];
}
