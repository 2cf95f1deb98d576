using System.Net;

namespace Accelerated.Lab;

/// <summary>One member of the lab's etcd: a process in a namespace of its own, and what can befall it there.</summary>
public sealed class EtcdMember : LabHost, IAsyncDisposable
{
    internal const int ClientPort = 2379;
    private const int PeerPort = 2380;
    private const string CutTable = "cut";

    private readonly EtcdSpec _spec;
    private readonly EtcdCertificates? _certificates;
    private readonly string _name;
    private readonly string _directory;
    private BackgroundCommand? _process;
    private BackgroundCommand? _stutter;

    internal EtcdMember(LabCommands commands, LabLayout layout, EtcdSpec spec, EtcdCertificates? certificates, int number)
        : base(commands, layout, layout.EtcdMemberNamespace(number))
    {
        _spec = spec;
        _certificates = certificates;
        _name = number == 0 ? "lab" : $"lab{number}";
        _directory = number == 0 ? layout.EtcdDirectory : $"{layout.EtcdDirectory}/{number}";
        Address = layout.EtcdMemberAddress(number);
        Cluster = spec.Members == 1
            ? $"{_name}=http://127.0.0.1:{PeerPort}"
            : string.Join(',', Enumerable.Range(1, spec.Members).Select(n => $"lab{n}=http://{layout.EtcdMemberAddress(n)}:{PeerPort}"));
    }

    /// <summary>The address of its <c>eth0</c>.</summary>
    public IPAddress Address { get; }

    /// <summary>Its client URL, as agents show it.</summary>
    public string Endpoint => $"{(_spec.Tls ? "https" : "http")}://{Address}:{ClientPort}";

    /// <summary>What it says, over all of its starts.</summary>
    public string LogFile => $"{_directory}/etcd.log";

    /// <summary>Whether it has been started and has not exited.</summary>
    public bool IsRunning => _process is { IsRunning: true };

    private string DataDirectory => $"{_directory}/data";

    private string Cluster { get; }

    private string PeerUrl => Cluster.Split(',').Single(m => m.StartsWith($"{_name}=", StringComparison.Ordinal))[(_name.Length + 1)..];

    /// <summary>Starts it on the data it had before, and waits until it listens; it serves when the cluster has a leader.</summary>
    /// <exception cref="LabException">It runs already, or it does not come up; the message ends with its log.</exception>
    public async Task StartAsync(CancellationToken cancel = default)
    {
        if (IsRunning)
            throw new LabException($"etcd runs already in {Namespace}");
        Directory.CreateDirectory(_directory);
        string[] tls = _certificates is null ? [] : ["--cert-file", _certificates.MemberCert, "--key-file", _certificates.MemberKey];
        string[] clients = _spec.ClientCertificates && _certificates is not null ? ["--client-cert-auth", "--trusted-ca-file", _certificates.CaFile] : [];
        // Alone it elects itself at once and grants etcd leases of one second, which tests of expiry want. Three of them need time for each other.
        string[] pace = _spec.Members == 1 ? ["--heartbeat-interval", "20", "--election-timeout", "200"] : [];
        _process = new BackgroundCommand(
            Commands, Namespace,
            [
                LabTools.Etcd(_spec.Version), "--name", _name, "--data-dir", DataDirectory, "--log-outputs", "stderr", "--logger", "zap",
                "--listen-client-urls", Endpoint, "--advertise-client-urls", Endpoint, "--listen-peer-urls", PeerUrl, "--initial-advertise-peer-urls", PeerUrl,
                "--initial-cluster", Cluster, .. pace, .. tls, .. clients, .. _spec.Flags,
            ],
            LogFile);
        await _process.WaitListeningAsync(ClientPort, cancel);
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

    /// <summary>
    /// Makes it slow until <see cref="HurryAsync"/>: it stands still for nine tenths of each period, as on a machine without time for it. (Delay on the
    /// wire needs netem, which not every kernel has.)
    /// </summary>
    public void Stutter(TimeSpan period)
    {
        var (still, moving) = ($"{period.TotalSeconds * 0.9:0.000}", $"{period.TotalSeconds * 0.1:0.000}");
        _stutter = Start("sh", "-c", $"while :; do kill -STOP {Running.ProcessId}; sleep {still}; kill -CONT {Running.ProcessId}; sleep {moving}; done");
    }

    /// <summary>Ends <see cref="Stutter"/>.</summary>
    public async Task HurryAsync()
    {
        if (_stutter is not null)
            await _stutter.DisposeAsync();
        await ResumeAsync();
    }

    /// <summary>Drops every packet between it and some addresses, without a word, until <see cref="MendAsync"/>.</summary>
    public Task CutAsync(params IEnumerable<IPAddress> from)
    {
        var all = string.Join(", ", from);
        return RunAsync("nft", $$"""
            add table ip {{CutTable}}
            add chain ip {{CutTable}} in { type filter hook input priority 0; }
            add chain ip {{CutTable}} out { type filter hook output priority 0; }
            add rule ip {{CutTable}} in ip saddr { {{all}} } drop
            add rule ip {{CutTable}} out ip daddr { {{all}} } drop
            """);
    }

    /// <summary>Ends <see cref="CutAsync"/>.</summary>
    public Task MendAsync() => RunAsync("nft", $"delete table ip {CutTable}");

    /// <summary>Forgets everything it stored. It must not run.</summary>
    public void Wipe() => Directory.Delete(DataDirectory, recursive: true);

    /// <summary>Replaces what it stored by a backup. It must not run.</summary>
    /// <param name="snapshot">Of <see cref="LabEtcd.SaveSnapshotAsync"/>.</param>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public async Task RestoreAsync(string snapshot)
    {
        Wipe();
        await RunAsync(
            "env", "ETCDCTL_API=3", LabTools.Etcdctl(_spec.Version), "snapshot", "restore", snapshot, "--data-dir", DataDirectory, "--name", _name,
            "--initial-cluster", Cluster, "--initial-advertise-peer-urls", PeerUrl);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_stutter is not null)
            await _stutter.DisposeAsync();
        if (_process is not null)
            await _process.DisposeAsync();
    }

    private BackgroundCommand Running => _process is { IsRunning: true } process ? process : throw new LabException($"etcd does not run in {Namespace}");

    private Task SignalAsync(string signal) => Commands.SignalAsync(signal, Running.ProcessId);
}
