using System.Text;
using System.Text.Json;

namespace Accelerated.Lab;

/// <summary>The real etcd of a lab: one member or a cluster of three (<see cref="EtcdSpec"/>), and the host from which an operator looks after it.</summary>
public sealed class LabEtcd : LabHost, IAsyncDisposable
{
    /// <summary>flannel's default prefix.</summary>
    public const string Prefix = "/coreos.com/network";

    private readonly EtcdSpec _spec;

    internal LabEtcd(LabCommands commands, LabLayout layout, EtcdSpec spec) : base(commands, layout, layout.EtcdNamespace)
    {
        _spec = spec;
        Certificates = spec.Tls ? new EtcdCertificates($"{layout.EtcdDirectory}/pki", [.. Numbers(spec).Select(layout.EtcdMemberAddress)]) : null;
        Members = [.. Numbers(spec).Select(number => new EtcdMember(commands, layout, spec, Certificates, number))];
    }

    /// <summary>The members; one, or element 0 is that of <c>LAB-etcd1</c>.</summary>
    public IReadOnlyList<EtcdMember> Members { get; }

    /// <summary>The PEM files; null without TLS.</summary>
    public EtcdCertificates? Certificates { get; }

    /// <summary><c>NAME:PASSWORD</c> for etcdctl, once authentication is on.</summary>
    public string? User { get; set; }

    /// <summary>What the first member says, over all of its starts.</summary>
    public string LogFile => Members[0].LogFile;

    /// <summary>Whether all members have been started and have not exited.</summary>
    public bool IsRunning => Members.All(m => m.IsRunning);

    private string Endpoints => string.Join(',', Members.Select(m => m.Endpoint));

    /// <summary>The flags by which agents reach it.</summary>
    internal IReadOnlyList<string> AgentFlags =>
    [
        $"--etcd-endpoints={Endpoints}",
        .. Certificates is null ? [] : (string[])[$"--etcd-cafile={Certificates.CaFile}"],
        .. Certificates is null || !_spec.ClientCertificates
            ? [] : (string[])[$"--etcd-certfile={Certificates.ClientCert}", $"--etcd-keyfile={Certificates.ClientKey}"],
    ];

    /// <summary>Starts every member on the data it had before, and waits until they serve.</summary>
    /// <exception cref="LabException">One runs already, or does not come up; the message ends with its log.</exception>
    public async Task StartAsync(CancellationToken cancel = default)
    {
        if (Certificates is not null && !File.Exists(Certificates.CaFile))
            Certificates.Issue();
        await Task.WhenAll(Members.Select(m => m.StartAsync(cancel)));
        // They listen a moment before they serve; a request waits for that.
        await CtlAsync(["get", "--keys-only", "--limit=1", "--prefix", Prefix], stdin: null, cancel);
    }

    /// <summary>Ends every member; their data stays.</summary>
    /// <param name="signal">Without SIG: TERM, or KILL for a crash.</param>
    public Task StopAsync(string signal = "TERM") => Task.WhenAll(Members.Select(m => m.StopAsync(signal)));

    /// <summary>Lets every member hang: connections stay, nothing is answered until <see cref="ResumeAsync"/>.</summary>
    public Task PauseAsync() => Task.WhenAll(Members.Select(m => m.PauseAsync()));

    /// <summary>Lets them go on after <see cref="PauseAsync"/>.</summary>
    public Task ResumeAsync() => Task.WhenAll(Members.Select(m => m.ResumeAsync()));

    /// <summary>The member that leads the others now; waits for an election that is going on.</summary>
    /// <exception cref="LabException">There is none.</exception>
    public async Task<EtcdMember> LeaderAsync(CancellationToken cancel = default)
    {
        EtcdMember? leader = null;
        await Wait.UntilAsync("a leader of etcd", async () =>
        {
            foreach (var member in Members.Where(m => m.IsRunning))
            {
                var answer = await ExecAsync([.. Command(member.Endpoint), "endpoint", "status", "-w", "json"], stdin: null, limit: null, cancel);
                if (!answer.Succeeded)
                    continue;
                using var status = JsonDocument.Parse(answer.Stdout);
                var one = status.RootElement[0].GetProperty("Status");
                if (one.TryGetProperty("leader", out var id) && id.GetUInt64() == one.GetProperty("header").GetProperty("member_id").GetUInt64())
                    leader = member;
            }

            return leader is not null;
        }, cancel: cancel);
        return leader!;
    }

    /// <summary>Saves a backup, as <c>etcdctl snapshot save</c> does; gives its path.</summary>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public async Task<string> SaveSnapshotAsync()
    {
        var file = ScratchFile("snapshot", "db");
        await RunAsync([.. Command(Members[0].Endpoint), "snapshot", "save", file]);
        return file;
    }

    /// <summary>Runs etcdctl (v3 API); gives its standard output.</summary>
    /// <param name="arguments">Without the endpoints.</param>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public Task<string> CtlAsync(params string[] arguments) => CtlAsync(arguments, stdin: null);

    /// <summary>
    /// Runs etcdctl (v3 API); gives its standard output. With three members, some of which may be in trouble, each is asked until one has done it: give
    /// what may be done twice.
    /// </summary>
    /// <param name="arguments">Without the endpoints.</param>
    /// <param name="stdin">Its standard input, such as the text of a transaction.</param>
    /// <param name="cancel">Kills it.</param>
    /// <exception cref="LabException">etcdctl failed.</exception>
    public async Task<string> CtlAsync(IReadOnlyList<string> arguments, string? stdin, CancellationToken cancel = default)
    {
        if (Members.Count == 1)
            return (await ExecAsync([.. Command(Endpoints), .. arguments], stdin, limit: null, cancel)).OrThrow().Stdout;
        CommandResult? answer = null;
        await Wait.UntilAsync($"etcdctl {arguments[0]}", async () =>
        {
            foreach (var member in Members.Where(m => m.IsRunning))
            {
                answer = await ExecAsync([.. Command(member.Endpoint), "--dial-timeout=1s", "--command-timeout=2s", .. arguments], stdin, limit: null, cancel);
                if (answer.Succeeded)
                    return true;
            }

            return false;
        }, explain: () => answer?.Stderr ?? "no member runs", cancel: cancel);
        return answer!.Stdout;
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

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var member in Members)
            await member.DisposeAsync();
    }

    internal static IEnumerable<int> Numbers(EtcdSpec spec) => spec.Members == 1 ? [0] : Enumerable.Range(1, spec.Members);

    private string[] Command(string endpoints) =>
    [
        "env", "ETCDCTL_API=3", LabTools.Etcdctl(_spec.Version), $"--endpoints={endpoints}", .. User is null ? [] : (string[])[$"--user={User}"],
        .. Certificates is null ? [] : (string[])[$"--cacert={Certificates.CaFile}", $"--cert={Certificates.ClientCert}", $"--key={Certificates.ClientKey}"],
    ];
}
