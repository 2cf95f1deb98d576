using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Accelerated.Lab;

/// <summary>
/// A network namespace of the lab in which commands run: a node, a container, the switch or etcd's host.
/// The lab looks and acts through iproute2, never through the agent's own netlink code.
/// </summary>
public class LabHost
{
    private int _scratchFiles;

    internal LabHost(LabCommands commands, LabLayout layout, string ns)
    {
        Commands = commands;
        Layout = layout;
        Namespace = ns;
    }

    /// <summary>Name of the namespace, as in <c>ip netns list</c>.</summary>
    public string Namespace { get; }

    /// <summary>The names and addresses of the lab it belongs to.</summary>
    public LabLayout Layout { get; }

    private protected LabCommands Commands { get; }

    /// <summary>Runs a command in the namespace, to its end.</summary>
    /// <param name="command">The program and its arguments; no shell in between.</param>
    /// <exception cref="LabException">It cannot be started or took longer than 30 s.</exception>
    public Task<CommandResult> ExecAsync(params string[] command) => ExecAsync(command, stdin: null);

    /// <summary>Runs a command in the namespace, to its end.</summary>
    /// <param name="command">The program and its arguments; no shell in between.</param>
    /// <param name="stdin">Its standard input; nothing if null.</param>
    /// <param name="limit">How long it may take, 30 s if null.</param>
    /// <param name="cancel">Kills it.</param>
    /// <exception cref="LabException">It cannot be started or took too long.</exception>
    public Task<CommandResult> ExecAsync(
        IReadOnlyList<string> command, string? stdin, TimeSpan? limit = null, CancellationToken cancel = default) =>
        Commands.ExecAsync(LabCommands.Enter(Namespace, command), stdin, limit, environment: null, cancel);

    /// <summary>Runs a command that has to succeed; gives its standard output.</summary>
    /// <exception cref="LabException">It failed; the message holds the command line and its stderr.</exception>
    public async Task<string> RunAsync(params string[] command) => (await ExecAsync(command)).OrThrow().Stdout;

    /// <summary>What <c>ip -n NAMESPACE -d -j …</c> says, one object per element, such as <c>IpAsync("route", "show")</c>.</summary>
    /// <exception cref="LabException">The command failed.</exception>
    public async Task<IReadOnlyList<JsonObject>> IpAsync(params string[] arguments) =>
        ParseObjects(await Commands.RunAsync(["ip", "-n", Namespace, "-d", "-j", .. arguments]));

    /// <summary>What <c>bridge -n NAMESPACE -j …</c> says, such as <c>BridgeAsync("fdb", "show", "dev", "flannel.1")</c>.</summary>
    /// <exception cref="LabException">The command failed.</exception>
    public async Task<IReadOnlyList<JsonObject>> BridgeAsync(params string[] arguments) =>
        ParseObjects(await Commands.RunAsync(["bridge", "-n", Namespace, "-j", .. arguments]));

    /// <summary>Starts a command in the background; its output goes to a file under the lab's run directory.</summary>
    public BackgroundCommand Start(params string[] command) =>
        new(Commands, Namespace, command, ScratchFile(Path.GetFileName(command[0]), "log"));

    /// <summary>Starts pinging; stop it with <see cref="PingRun.StopAsync"/>.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="interval">Time between two echo requests; 10 ms if null.</param>
    public PingRun StartPing(IPAddress target, TimeSpan? interval = null)
    {
        ArgumentNullException.ThrowIfNull(target);
        var seconds = (interval ?? TimeSpan.FromMilliseconds(10)).TotalSeconds;
        return new PingRun(Start("ping", "-n", "-D", "-i", $"{seconds:0.####}", target.ToString()));
    }

    /// <summary>Sends some echo requests, 100 ms apart, and waits for the last reply.</summary>
    /// <exception cref="LabException">ping could not run; that nothing answered is a result, not an error.</exception>
    public async Task<PingResult> PingAsync(IPAddress target, int count = 3, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(target);
        var command = new[] { "ping", "-n", "-D", "-i", "0.1", "-W", "1", "-c", $"{count}", target.ToString() };
        var result = await ExecAsync(command, stdin: null, limit: null, cancel);
        // 1 means that replies are missing; more than 1 that it could not work at all.
        return PingResult.Parse((result.ExitCode > 1 ? result.OrThrow() : result).Stdout, stopped: false);
    }

    /// <summary>Starts tcpdump on an interface and waits until it sees packets.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="filter">A pcap filter, such as <c>udp port 8472</c>; empty for everything.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="LabException">tcpdump does not start.</exception>
    public async Task<PacketCapture> StartCaptureAsync(string device, string filter = "", CancellationToken cancel = default)
    {
        var file = ScratchFile("capture", "pcap");
        // -Z root: tcpdump would otherwise become a user that may not write here.
        var tcpdump = Start("tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "-i", device, "-w", file, filter);
        try
        {
            await tcpdump.WaitAsync("the start", () => tcpdump.Output().Contains("listening on"), cancel: cancel);
            return new PacketCapture(this, tcpdump, file);
        }
        catch
        {
            await tcpdump.DisposeAsync();
            throw;
        }
    }

    /// <summary>Measures throughput from here to another host of the lab with iperf3, over one TCP connection.</summary>
    /// <param name="server">Where the data goes.</param>
    /// <param name="address">The server's address to connect to.</param>
    /// <param name="duration">Whole seconds.</param>
    /// <param name="clientArguments">More iperf3 options, such as <c>-u</c> or <c>-P 8</c>.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="LabException">iperf3 failed.</exception>
    public async Task<IperfResult> IperfAsync(
        LabHost server, IPAddress address, TimeSpan duration, IReadOnlyList<string>? clientArguments = null,
        CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(address);
        const int port = 5201;
        await using var listening = server.Start("iperf3", "-s", "-1", "-B", address.ToString(), "-p", $"{port}");
        await listening.WaitListeningAsync(port, cancel);
        string[] client = ["iperf3", "-J", "-c", address.ToString(), "-p", $"{port}", "-t", $"{duration.TotalSeconds:0}", .. clientArguments ?? []];
        var result = await ExecAsync(client, stdin: null, duration + LabCommands.DefaultLimit, cancel);
        return IperfResult.Parse(result);
    }

    /// <summary>A new path under the lab's scratch directory.</summary>
    private protected string ScratchFile(string kind, string extension) =>
        $"{Layout.ScratchDirectory}/{Namespace}-{kind}-{Interlocked.Increment(ref _scratchFiles)}.{extension}";

    private static List<JsonObject> ParseObjects(CommandResult result)
    {
        // iproute2 prints nothing at all for an empty answer of some commands.
        if (string.IsNullOrWhiteSpace(result.Stdout))
            return [];
        try
        {
            // bridge fills its array with empty objects for entries it filtered out.
            return JsonNode.Parse(result.Stdout)!.AsArray().OfType<JsonObject>().Where(o => o.Count > 0).ToList();
        }
        catch (JsonException e)
        {
            throw new LabException($"not JSON: {result.CommandLine}\n{result.Stdout}", e);
        }
    }
}
