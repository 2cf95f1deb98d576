using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Accelerated.Lab;

/// <summary>A host of the lab: a namespace with an <c>eth0</c>, an agent that can be started in it, and containers.</summary>
public sealed class LabNode : LabHost, IAsyncDisposable
{
    private static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(15);

    private readonly LabSpec _spec;
    private readonly string _binary;
    private readonly IReadOnlyList<string> _etcdFlags;
    private BackgroundCommand? _agent;

    internal LabNode(LabCommands commands, LabSpec spec, string binary, int number, IReadOnlyList<string> etcdFlags)
        : base(commands, spec.Layout, spec.Layout.NodeNamespace(number))
    {
        _spec = spec;
        _binary = binary;
        _etcdFlags = etcdFlags;
        AgentEnvironment = spec.AgentEnvironment;
        Number = number;
        Pods = [.. Enumerable.Range(1, spec.PodsPerNode).Select(pod => new LabPod(commands, spec.Layout, number, pod))];
    }

    /// <summary>Its number, from 1.</summary>
    public int Number { get; }

    /// <summary>Its containers, which have no interface before <see cref="AttachPodsAsync"/>.</summary>
    public IReadOnlyList<LabPod> Pods { get; }

    /// <summary>The address of its <c>eth0</c>, the agent's PublicIP.</summary>
    public IPAddress Address => LabLayout.NodeAddress(Number);

    /// <summary>The agent's <c>--run-dir</c>; <c>agent.sock</c>, <c>agent.log</c>, <c>agent.pid</c> and <c>subnet.env</c> are here.</summary>
    public string RunDirectory => Layout.NodeDirectory(Number);

    /// <summary>What the agent has written to its output, over all of its starts.</summary>
    public string LogFile => $"{RunDirectory}/agent.log";

    /// <summary>The agent's <c>--bpf-dir</c>: agents that share a kernel must not share pins.</summary>
    public string BpfDirectory => $"{Layout.BpfDirectory}/node{Number}";

    /// <summary>What the agent tells the container runtime.</summary>
    public string SubnetFile => $"{RunDirectory}/subnet.env";

    /// <summary>What the agent finds in its environment beside the lab's own: the lab's for all nodes, unless this one is to have another.</summary>
    public ImmutableDictionary<string, string> AgentEnvironment { get; set; }

    /// <summary>Whether the agent was started and has not exited.</summary>
    public bool AgentIsRunning => _agent is { IsRunning: true };

    /// <summary>The agent's exit code once it has exited by itself or was stopped; null while it runs or before its start.</summary>
    public int? AgentExitCode => _agent?.ExitCode;

    /// <summary>The agent's process id.</summary>
    /// <exception cref="LabException">It was never started.</exception>
    public int AgentProcessId => _agent?.ProcessId ?? throw new LabException($"the agent of {Namespace} was never started");

    /// <summary>Flags for every agent of every lab, from outside: <c>make test-xdp</c> runs the tests of the lanes once more with them.</summary>
    private static readonly string[] FlagsOfAll = (Environment.GetEnvironmentVariable("ACCELERATED_AGENT_FLAGS") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private string[] Flags =>
    [
        .. _etcdFlags, "--iface=eth0", "--ip-masq", $"--run-dir={RunDirectory}", $"--state-dir={RunDirectory}/state",
        $"--subnet-file={SubnetFile}", $"--datapath={_spec.Datapath}", $"--bpf-dir={BpfDirectory}", .. FlagsOfAll, .. _spec.AgentFlags,
    ];

    /// <summary>Starts the agent. It may be started again after it has exited; it then finds its own files.</summary>
    /// <param name="flags">More flags, after all others.</param>
    /// <exception cref="LabException">It runs already, or there is no binary.</exception>
    public void StartAgent(params string[] flags)
    {
        if (AgentIsRunning)
            throw new LabException($"the agent of {Namespace} runs already");
        Directory.CreateDirectory(RunDirectory);
        _agent = new BackgroundCommand(
            Commands, Namespace,
            [_binary, "agent", .. Flags, .. flags],
            LogFile, $"{RunDirectory}/agent.pid", AgentEnvironment);
    }

    /// <summary>Ends the agent as systemd would, by SIGTERM; the data plane stays.</summary>
    /// <returns>Its exit code.</returns>
    /// <exception cref="LabException">It does not exit within 15 s.</exception>
    public Task<int> StopAgentAsync() => EndAgentAsync("TERM");

    /// <summary>Ends the agent without a word, by SIGKILL.</summary>
    public Task KillAgentAsync() => EndAgentAsync("KILL");

    /// <summary>Waits until the agent has exited by itself.</summary>
    /// <returns>Its exit code.</returns>
    /// <exception cref="LabException">It runs on; the message ends with its log.</exception>
    public async Task<int> WaitAgentExitAsync(TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        await Wait.UntilAsync($"the exit of the agent of {Namespace}", () => !AgentIsRunning, deadline, LogTail, cancel);
        return AgentExitCode ?? throw new LabException($"the agent of {Namespace} was never started");
    }

    /// <summary>Waits until <c>subnet.env</c> is there and the agent's status says that it is ready.</summary>
    /// <exception cref="LabException">The agent has exited, or is not ready in time; the message ends with its log.</exception>
    public async Task WaitReadyAsync(TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        // Asking costs a process each time, so it begins when the file says that it is worth it.
        await WaitAgentAsync("subnet.env", () => Task.FromResult(File.Exists(SubnetFile)), deadline, cancel);
        await WaitAgentAsync(
            "\"ready\" in the status", async () => await TryStatusAsync(cancel) is { } status && (bool?)status["ready"] == true,
            deadline, cancel);
    }

    /// <summary>Waits for something that only comes about while the agent runs.</summary>
    /// <param name="what">Completes the sentence "waited 20 s for … of lab-node1".</param>
    /// <param name="condition">Looked at every few milliseconds.</param>
    /// <param name="deadline">How long to wait at most.</param>
    /// <param name="cancel">Ends the wait early.</param>
    /// <exception cref="LabException">The agent has exited, or time is up; the message ends with its log.</exception>
    public Task WaitAgentAsync(string what, Func<Task<bool>> condition, TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(condition);
        return Wait.UntilAsync($"{what} of {Namespace}", async () =>
        {
            var wasRunning = AgentIsRunning;
            if (await condition())
                return true;
            return wasRunning
                ? false
                : throw new LabException($"the agent of {Namespace} has exited with {AgentExitCode} while {what} was waited for\n{LogTail()}");
        }, deadline, LogTail, cancel);
    }

    /// <summary>Waits until the kernel has a route to each of some subnets.</summary>
    /// <exception cref="LabException">The agent has exited, or time is up; the message ends with its log.</exception>
    public Task WaitRoutesAsync(IEnumerable<IPNetwork> subnets, TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        var wanted = subnets.Select(s => s.ToString()).ToHashSet();
        return WaitAgentAsync(
            $"routes to {string.Join(", ", wanted)}",
            async () => wanted.IsSubsetOf((await IpAsync("-4", "route", "show")).Select(r => (string?)r["dst"] ?? "")),
            deadline, cancel);
    }

    /// <summary>The agent's status, as its socket gives it.</summary>
    /// <exception cref="LabException">The agent does not answer.</exception>
    public async Task<JsonObject> StatusAsync(CancellationToken cancel = default) =>
        await TryStatusAsync(cancel) ?? throw new LabException($"the agent of {Namespace} gives no status\n{LogTail()}");

    /// <summary>What <c>accelerated status</c> shows to a person.</summary>
    public Task<CommandResult> ShowStatusAsync(CancellationToken cancel = default) =>
        ExecAsync([_binary, "status", $"--run-dir={RunDirectory}"], stdin: null, limit: null, cancel);

    /// <summary>Runs <c>accelerated cleanup</c> with the flags that the lab gives the agent.</summary>
    public Task<CommandResult> CleanupAsync(params string[] flags) =>
        Commands.ExecAsync(LabCommands.Enter(Namespace, [_binary, "cleanup", .. Flags, .. flags]), stdin: null, limit: null, AgentEnvironment, CancellationToken.None);

    /// <summary>Runs <c>accelerated docker-opts</c>.</summary>
    public Task<CommandResult> DockerOptsAsync(params string[] options) => ExecAsync([_binary, "docker-opts", .. options]);

    /// <summary>Starts <c>accelerated drops</c>.</summary>
    public BackgroundCommand StartDrops(params string[] flags) => Start([_binary, "drops", $"--run-dir={RunDirectory}", .. flags]);

    /// <summary>What <c>subnet.env</c> says.</summary>
    /// <exception cref="LabException">The agent has not written it yet.</exception>
    public SubnetEnv Subnet() =>
        File.Exists(SubnetFile) ? SubnetEnv.Parse(File.ReadAllText(SubnetFile)) : throw new LabException($"{SubnetFile} is not there yet\n{LogTail()}");

    /// <summary>
    /// Does what a container runtime does with <c>subnet.env</c>: bridge <c>cni0</c> with the subnet's first address and its
    /// MTU, and on it the <c>eth0</c> of each container. May be repeated after the subnet has changed.
    /// </summary>
    /// <exception cref="LabException">There is no <c>subnet.env</c> yet, or the kernel refused something.</exception>
    public async Task AttachPodsAsync(CancellationToken cancel = default)
    {
        var env = Subnet();
        var (length, mtu) = (env.Subnet.PrefixLength, env.Mtu);
        var devices = (await IpAsync("link", "show")).Select(l => (string)l["ifname"]!).Where(d => d == "cni0" || d.StartsWith("veth", StringComparison.Ordinal));
        await Commands.IpBatchAsync(
            [
                .. devices.Select(device => $"link del dev {device}"),
                $"link add name cni0 mtu {mtu} address {LabLayout.MacFor(env.Gateway)} type bridge forward_delay 0",
                $"address add {env.Gateway}/{length} brd + dev cni0",
                "link set dev cni0 up",
                .. Pods.SelectMany(pod => (string[])
                [
                    $"link add name veth{pod.Number} mtu {mtu} type veth peer name eth0 netns {pod.Namespace} mtu {mtu} "
                        + $"address {LabLayout.MacFor(env.PodAddress(pod.Number))}",
                    $"link set dev veth{pod.Number} master cni0 up",
                ]),
            ],
            Namespace, cancel);
        foreach (var pod in Pods)
        {
            pod.Address = env.PodAddress(pod.Number);
            await Commands.IpBatchAsync(
                [$"address add {pod.Address}/{length} brd + dev eth0", "link set dev eth0 up", $"route add default via {env.Gateway}"],
                pod.Namespace, cancel);
        }
    }

    /// <summary>The end of the agent's log, for errors.</summary>
    public string LogTail() => LogFiles.Tail(LogFile);

    /// <summary>Kills the agent, if it still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_agent is not null)
            await _agent.DisposeAsync();
    }

    private async Task<int> EndAgentAsync(string signal)
    {
        if (_agent is null)
            throw new LabException($"the agent of {Namespace} was never started");
        return await _agent.StopAsync(signal, StopDeadline);
    }

    private async Task<JsonObject?> TryStatusAsync(CancellationToken cancel)
    {
        var result = await ExecAsync([_binary, "status", $"--run-dir={RunDirectory}", "--json"], stdin: null, limit: null, cancel);
        try
        {
            // The exit code may speak of readiness; whether there is a status is seen from the status.
            return JsonNode.Parse(result.Stdout) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
