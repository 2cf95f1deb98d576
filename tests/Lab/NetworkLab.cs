namespace Accelerated.Lab;

/// <summary>
/// A running lab: hosts and containers as network namespaces on one underlay, a real etcd, agents as processes. Disposing
/// removes every trace.
/// <code>
/// await using var lab = await NetworkLab.UpAsync(new LabSpec { Name = "mine", Nodes = 3 });
/// await lab.StartAllAsync();                     // agents ready, routes there, containers attached
/// var ping = await lab.Pod(1, 1).PingAsync(lab.Pod(2, 1).Address);
/// </code>
/// </summary>
public sealed class NetworkLab : IAsyncDisposable
{
    private const int Parallel = 8;

    private readonly LabLock _lock;
    private readonly LabCommands _commands;
    private bool _leftRunning;

    private NetworkLab(LabSpec spec, LabLock held, string binary)
    {
        _lock = held;
        _commands = new LabCommands(spec.Name);
        Spec = spec;
        Etcd = new LabEtcd(_commands, spec.Layout, spec.Etcd);
        Switch = new LabHost(_commands, spec.Layout, spec.Layout.SwitchNamespace);
        Nodes = [.. Enumerable.Range(1, spec.Nodes).Select(n => new LabNode(_commands, spec, binary, n, Etcd.AgentFlags))];
    }

    /// <summary>What this lab was to be.</summary>
    public LabSpec Spec { get; }

    /// <summary>Its names and addresses.</summary>
    public LabLayout Layout => Spec.Layout;

    /// <summary>Its etcd, running unless a test stopped it.</summary>
    public LabEtcd Etcd { get; }

    /// <summary>The namespace with the bridge <c>sw0</c>, whose ports are <c>node1</c>, <c>node2</c>, … and <c>etcd</c>.</summary>
    public LabHost Switch { get; }

    /// <summary>Its hosts; element 0 is node 1.</summary>
    public IReadOnlyList<LabNode> Nodes { get; }

    /// <summary>Whether <see cref="UpAsync"/> found and removed something with the same name.</summary>
    public bool RemovedAnEarlierOne { get; private init; }

    /// <summary>
    /// Builds namespaces and underlay, starts etcd and puts the configuration. No agent runs yet. What an earlier lab of the
    /// same name has left behind is removed first; if this one fails half-way, it is removed as well.
    /// </summary>
    /// <exception cref="LabException">A value is bad, root or a program is missing, the name is in use, or the kernel refused something.</exception>
    public static async Task<NetworkLab> UpAsync(LabSpec spec, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        spec.Validate();
        NeedRoot();
        var binary = LabTools.Agent(spec.AgentBinary);
        var held = LabLock.Take(spec.Name);
        var wreckage = new Wreckage(spec.Layout);
        NetworkLab? lab = null;
        try
        {
            var removed = await wreckage.RemoveAsync();
            lab = new NetworkLab(spec, held, binary) { RemovedAnEarlierOne = removed };
            await lab.BuildAsync(cancel);
            return lab;
        }
        catch
        {
            if (lab is not null)
            {
                lab.SaveLogs();
                await lab.DisposeAsync();
            }
            else
            {
                held.Dispose();
            }
            throw;
        }
    }

    /// <summary>Removes every trace of a lab by its name, also of a half-made or crashed one.</summary>
    /// <returns>Whether there was anything.</returns>
    /// <exception cref="LabException">The name is bad, root is missing, another process is at work on it, or something cannot be removed.</exception>
    public static async Task<bool> DownAsync(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        LabSpec.CheckName(name);
        NeedRoot();
        using var held = LabLock.Take(name);
        return await new Wreckage(new LabLayout(name)).RemoveAsync();
    }

    /// <summary>What there is of a lab on this machine, one line each: namespaces, processes, mounts, cgroups, its directory.</summary>
    public static async Task<IReadOnlyList<string>> TracesAsync(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var layout = new LabLayout(name);
        var wreckage = new Wreckage(layout);
        return
        [
            .. wreckage.Namespaces().Select(ns => $"namespace {ns}"),
            .. (await wreckage.ProcessesAsync()).Select(pid => $"process {pid}"),
            .. wreckage.Mounts().Select(mount => $"mount {mount}"),
            .. new MachineCgroups(layout).Folders().Select(folder => $"cgroup {folder}"),
            .. Directory.Exists(layout.RunDirectory) ? (string[])[$"directory {layout.RunDirectory}"] : [],
        ];
    }

    /// <summary>Runs commands in this lab's name.</summary>
    internal LabCommands Commands => _commands;

    /// <summary>A host, counted from 1.</summary>
    public LabNode Node(int number) => Nodes[number - 1];

    /// <summary>A container, both counted from 1.</summary>
    public LabPod Pod(int node, int number) => Node(node).Pods[number - 1];

    /// <summary>Starts every agent, waits until each is ready, attaches the containers and waits until every node has a route to every other.</summary>
    /// <exception cref="LabException">An agent does not get there; the message ends with its log.</exception>
    public async Task StartAllAsync(TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        foreach (var node in Nodes)
            node.StartAgent();
        await EachNodeAsync((node, token) => new ValueTask(node.WaitReadyAsync(deadline, token)), cancel);
        await EachNodeAsync((node, token) => new ValueTask(node.AttachPodsAsync(token)), cancel);
        await WaitRoutesAsync(deadline, cancel);
    }

    /// <summary>Waits until every node whose agent runs has a route to the subnet of every other.</summary>
    /// <exception cref="LabException">One does not; the message ends with the log of its agent.</exception>
    public async Task WaitRoutesAsync(TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        var subnets = Nodes.Where(n => n.AgentIsRunning).ToDictionary(n => n, n => n.Subnet().Subnet);
        await EachNodeAsync(
            (node, token) => subnets.ContainsKey(node)
                ? new ValueTask(node.WaitRoutesAsync(subnets.Where(s => s.Key != node).Select(s => s.Value), deadline, token))
                : ValueTask.CompletedTask,
            cancel);
    }

    /// <summary>Does something on all nodes, some at a time.</summary>
    public Task EachNodeAsync(Func<LabNode, CancellationToken, ValueTask> action, CancellationToken cancel = default) =>
        System.Threading.Tasks.Parallel.ForEachAsync(
            Nodes, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancel }, action);

    /// <summary>Copies the logs of all agents and of etcd.</summary>
    /// <param name="directory">
    /// Made if need be; the logs of an earlier time are removed. Null for <c>artifacts/logs/NAME</c> in the repository.
    /// </param>
    /// <returns>The files written, which outlive the lab.</returns>
    public IReadOnlyList<string> SaveLogs(string? directory = null)
    {
        directory ??= LabTools.LogDirectory(Spec.Name);
        Directory.CreateDirectory(directory);
        foreach (var old in Directory.EnumerateFiles(directory, "*.log"))
            File.Delete(old);
        var saved = new List<string>();
        foreach (var (from, to) in Nodes.Select(n => (n.LogFile, $"node{n.Number}-agent.log")).Concat(Etcd.Members.Select(m => (m.LogFile, $"{m.Namespace[(Layout.Name.Length + 1)..]}.log"))))
        {
            if (!File.Exists(from))
                continue;
            var path = Path.Combine(directory, to);
            File.WriteAllText(path, LogFiles.Read(from));
            saved.Add(path);
        }
        return saved;
    }

    /// <summary>Lets the lab stand when this object is disposed: <see cref="DownAsync"/> removes it later.</summary>
    public void LeaveRunning() => _leftRunning = true;

    /// <summary>Removes every trace, unless <see cref="LeaveRunning"/> was called.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            if (!_leftRunning)
                await new Wreckage(Layout).RemoveAsync();
        }
        finally
        {
            _lock.Dispose();
        }
    }

    private static void NeedRoot()
    {
        if (!Environment.IsPrivilegedProcess)
            throw new LabException("the lab needs root for network namespaces: run it through 'make', which uses sudo, or as root");
    }

    private async Task BuildAsync(CancellationToken cancel)
    {
        foreach (var directory in (string[])[Layout.EtcdDirectory, Layout.ScratchDirectory, Layout.BpfDirectory, .. Nodes.Select(n => n.RunDirectory)])
            Directory.CreateDirectory(directory);
        if (Spec.UsesBpf)
            await _commands.RunAsync(["mount", "-t", "bpf", $"bpf-{Spec.Name}", Layout.BpfDirectory], cancel: cancel);
        await new Underlay(Spec, _commands).BuildAsync(cancel);
        await Etcd.StartAsync(cancel);
        if (Spec.Config is not null)
            await Etcd.PutConfigAsync(Spec.Config, cancel);
    }
}
