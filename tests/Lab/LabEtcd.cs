using System.Text;
using System.Text.Json;

namespace Accelerated.Lab;

/// <summary>
/// The real etcd of a lab: one member, in a namespace of its own. Election and heartbeat are short, so that it serves at
/// once and grants etcd leases of one second, which tests of expiry want.
/// </summary>
public sealed class LabEtcd : LabHost, IAsyncDisposable
{
    /// <summary>flannel's default prefix.</summary>
    public const string Prefix = "/coreos.com/network";

    private BackgroundCommand? _process;

    internal LabEtcd(LabCommands commands, LabLayout layout) : base(commands, layout, layout.EtcdNamespace)
    {
    }

    /// <summary>What etcd says, over all of its starts.</summary>
    public string LogFile => $"{Layout.EtcdDirectory}/etcd.log";

    /// <summary>Whether it has been started and has not exited.</summary>
    public bool IsRunning => _process is { IsRunning: true };

    /// <summary>Starts it on the data it had before, and waits until it serves.</summary>
    /// <exception cref="LabException">It runs already, or it does not come up; the message ends with its log.</exception>
    public async Task StartAsync(CancellationToken cancel = default)
    {
        if (IsRunning)
            throw new LabException("etcd runs already");
        Directory.CreateDirectory(Layout.EtcdDirectory);
        _process = new BackgroundCommand(
            Commands, Namespace,
            [
                LabTools.Etcd(), "--name", "lab", "--data-dir", $"{Layout.EtcdDirectory}/data", "--log-outputs", "stderr", "--logger", "zap",
                "--listen-client-urls", Layout.EtcdEndpoint, "--advertise-client-urls", Layout.EtcdEndpoint,
                "--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
                "--initial-cluster", "lab=http://127.0.0.1:2380", "--heartbeat-interval", "20", "--election-timeout", "200",
            ],
            LogFile);
        await _process.WaitListeningAsync(2379, cancel);
        // It listens a moment before it serves; a request waits for that.
        await CtlAsync(["get", "--keys-only", "--limit=1", "--prefix", Prefix], stdin: null, cancel);
    }

    /// <summary>Ends it; its data stays.</summary>
    /// <param name="signal">Without SIG: TERM, or KILL for a crash.</param>
    public async Task StopAsync(string signal = "TERM")
    {
        if (_process is not null)
            await _process.StopAsync(signal);
    }

    /// <summary>Lets it hang: connections stay, nothing is answered until <see cref="ResumeAsync"/>.</summary>
    public Task PauseAsync() => SignalAsync("STOP");

    /// <summary>Lets it go on after <see cref="PauseAsync"/>.</summary>
    public Task ResumeAsync() => SignalAsync("CONT");

    /// <summary>Runs etcdctl (v3 API) beside etcd; gives its standard output.</summary>
    /// <param name="arguments">Without the endpoint.</param>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public Task<string> CtlAsync(params string[] arguments) => CtlAsync(arguments, stdin: null);

    /// <summary>Runs etcdctl (v3 API) beside etcd; gives its standard output.</summary>
    /// <param name="arguments">Without the endpoint.</param>
    /// <param name="stdin">Its standard input, such as the text of a transaction.</param>
    /// <param name="cancel">Kills it.</param>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public async Task<string> CtlAsync(IReadOnlyList<string> arguments, string? stdin, CancellationToken cancel = default)
    {
        string[] command = ["env", "ETCDCTL_API=3", LabTools.Etcdctl(), $"--endpoints={Layout.EtcdEndpoint}", .. arguments];
        return (await ExecAsync(command, stdin, limit: null, cancel)).OrThrow().Stdout;
    }

    /// <summary>Puts the network configuration, valid or not.</summary>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public Task PutConfigAsync(string config, CancellationToken cancel = default) =>
        // From standard input, because a value that begins with a dash would be taken for a flag.
        CtlAsync(["put", $"{Prefix}/config"], config, cancel);

    /// <summary>Every key below a prefix, in order.</summary>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public async Task<IReadOnlyList<EtcdKey>> ListAsync(string prefix = Prefix + "/subnets", CancellationToken cancel = default)
    {
        using var answer = JsonDocument.Parse(await CtlAsync(["get", "--prefix", prefix, "-w", "json"], stdin: null, cancel));
        return !answer.RootElement.TryGetProperty("kvs", out var keys)
            ? []
            : keys.EnumerateArray().Select(kv => new EtcdKey(
                Text(kv, "key"), Text(kv, "value"),
                kv.TryGetProperty("lease", out var lease) ? lease.GetInt64() : 0, kv.GetProperty("mod_revision").GetInt64())).ToList();

        static string Text(JsonElement kv, string name) =>
            kv.TryGetProperty(name, out var base64) ? Encoding.UTF8.GetString(base64.GetBytesFromBase64()) : "";
    }

    private Task SignalAsync(string signal) =>
        _process is { IsRunning: true } process
            ? Commands.SignalAsync(signal, process.ProcessId)
            : throw new LabException("etcd does not run");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await _process.DisposeAsync();
    }
}
