using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Api;

/// <summary>Puts what the control plane and the reconcile loop know into one report.</summary>
public sealed class StatusReporter(AgentOptions options, InputStore store, ReconcileLoop loop, IDatapath datapath, NftablesFirewall firewall)
{
    /// <summary>Version of this build, without the source revision.</summary>
    public static string Version { get; } =
        typeof(StatusReporter).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";

    /// <summary>The report of now.</summary>
    public StatusReport Report()
    {
        var (inputs, outcome) = (store.Current, loop.Outcome);
        var rejected = outcome.Desired?.Rejected ?? inputs.Leases.Rejected;
        var problems = Problems(inputs, outcome, rejected);
        var usage = datapath.Usage();
        var peers = Peers(outcome, usage);
        var health = Health(outcome, problems);
        var device = outcome.Desired?.Overlays[0].Device;
        var own = inputs.Own?.Lease;
        var etcd = inputs.Etcd;
        return new StatusReport(
            health,
            Summary(health, inputs, outcome, problems),
            outcome.Ready,
            inputs.Own?.IsProvisional == true || inputs.Leases.IsProvisional,
            Version,
            options.Instance,
            inputs.Config?.IPv4?.Network.ToString(),
            own?.Key.IPv4.ToString(),
            own?.Attributes.PublicIP?.ToString(),
            outcome.Node?.Interface,
            device?.Name,
            device?.Vni,
            device?.Port,
            device?.Mac.ToString(),
            device?.Mtu,
            datapath.Name,
            datapath.Reason,
            options.Firewall.Masquerade,
            new StatusReport.EtcdStatus(etcd.IsConnected, etcd.Endpoint, etcd == EtcdHealth.NotTried ? null : etcd.Since, etcd.Error, inputs.Leases.Revision),
            usage.Lanes,
            Guard(outcome),
            peers,
            usage.Containers,
            [.. rejected.Select(r => new StatusReport.RejectedKey(r.Key, r.Value))],
            problems,
            new StatusReport.ReconcileStatus(outcome.Passes, outcome.Repairs, outcome.FinishedAt, Math.Round(outcome.Duration.TotalMilliseconds, 3), outcome.Failures.Count));
    }

    /// <summary>The summary of now alone. It asks the kernel nothing, so that it may be made after every pass.</summary>
    public string Line()
    {
        var (inputs, outcome) = (store.Current, loop.Outcome);
        var problems = Problems(inputs, outcome, outcome.Desired?.Rejected ?? inputs.Leases.Rejected);
        return Summary(Health(outcome, problems), inputs, outcome, problems);
    }

    private StatusReport.GuardStatus? Guard(ReconcileOutcome outcome)
    {
        if (outcome.Desired?.Firewall is not { Guard.Mode: var mode } rules)
            return null;
        var refused = mode == OverlayGuard.Off ? null : firewall.Refused();
        var reason = mode == OverlayGuard.Off ? null
            : refused is null ? "not in nftables: see the problems"
            : mode != options.Firewall.Guard ? "only counts until etcd confirms the peers" : null;
        return new StatusReport.GuardStatus(
            mode == OverlayGuard.Off || refused is not null ? Word(mode) : Word(OverlayGuard.Off), reason, refused ?? ImmutableDictionary<string, ulong>.Empty,
            [.. outcome.Others.Where(o => !rules.Network.Contains(o.Address)).Select(o => $"{o.Name} ({o.Address})")]);
    }

    private static List<StatusReport.PeerStatus> Peers(ReconcileOutcome outcome, DatapathUsage usage)
    {
        var failures = outcome.Failures.Where(f => f.Peer is not null).ToLookup(f => f.Peer!);
        return
        [
            .. (outcome.Desired?.Overlays ?? [])
                .SelectMany(o => (o.Device?.Peers ?? []).Select(p => (p.Key, p.Subnet, p.Remote, Mac: (string?)p.VtepMac.ToString(), Transport: BackendConfig.Vxlan))
                    .Concat(o.Direct.Select(p => (p.Key, p.Subnet, p.Remote, Mac: (string?)null, Transport: "direct"))))
                .Select(p => new StatusReport.PeerStatus(
                    p.Subnet.ToString(), p.Remote.ToString(), p.Mac, p.Transport,
                    failures.Contains(p.Key) ? "failed" : outcome.Ready ? "installed" : "waiting",
                    failures[p.Key].FirstOrDefault()?.Error, usage.Peers.GetValueOrDefault(p.Remote))),
        ];
    }

    private static List<StatusReport.ProblemStatus> Problems(AgentInputs inputs, ReconcileOutcome outcome, ImmutableSortedDictionary<string, string> rejected)
    {
        var all = inputs.Problems.Values.Concat(outcome.Problems.Values).ToList();
        if (inputs.Own?.IsProvisional == true)
        {
            all.Add(new Problem(ProblemSeverity.Warning, "provisional", "subnet and peers are those of the last run, not yet confirmed by etcd",
                "nothing, if etcd is starting; else see to etcd"));
        }

        if (outcome.Failures.Count > 0)
        {
            all.Add(new Problem(ProblemSeverity.Degraded, "kernel-refuses",
                string.Create(CultureInfo.InvariantCulture, $"the kernel refuses {outcome.Failures.Count} changes, the first: {outcome.Failures[0].Error}"),
                "the agent keeps trying; see the peers marked failed"));
        }

        if (rejected.Count > 0)
        {
            var (key, reason) = rejected.First();
            all.Add(new Problem(ProblemSeverity.Warning, "peers-left-out",
                string.Create(CultureInfo.InvariantCulture, $"{rejected.Count} of the keys in etcd cannot be used, the first: {key}: {reason}"),
                "correct or delete the key (etcdctl del); all other peers work"));
        }

        return [.. all.OrderByDescending(p => p.Severity).Select(p => new StatusReport.ProblemStatus(Word(p.Severity), p.Code, p.Message, p.Remedy))];
    }

    private static string Health(ReconcileOutcome outcome, List<StatusReport.ProblemStatus> problems) =>
        problems.Count > 0 ? (outcome.Ready ? problems[0].Severity : Word(ProblemSeverity.Critical)) : outcome.Ready ? "ok" : "starting";

    private static string Word(ProblemSeverity severity) => severity switch
    {
        ProblemSeverity.Critical => "critical",
        ProblemSeverity.Degraded => "degraded",
        _ => "warning",
    };

    private static string Word(OverlayGuard guard) => guard switch
    {
        OverlayGuard.Strict => "strict",
        OverlayGuard.Vtep => "vtep",
        OverlayGuard.Observe => "observe",
        _ => "off",
    };

    private string Summary(string health, AgentInputs inputs, ReconcileOutcome outcome,
        List<StatusReport.ProblemStatus> problems)
    {
        var parts = new List<string>();
        if (problems.Count > 0)
            parts.Add($"{problems[0].Message} ({problems[0].Remedy})");
        if (inputs.Own is { } own)
            parts.Add($"{own.Lease.Key.IPv4}{(own.IsProvisional ? " (provisional)" : "")}{(outcome.Node is { } node ? $" on {node.Interface} ({node.Address})" : "")}");
        parts.Add(datapath.Name switch { "bpf" => "eBPF lanes", "kernel" => "kernel vxlan", "host-gw" => "plain routes (host-gw)", _ => "no transport" });
        if (outcome.Desired is { } desired)
        {
            var all = desired.Overlays.Sum(o => o.PeerCount);
            var failed = outcome.Failures.Where(f => f.Peer is not null).DistinctBy(f => f.Peer).Count();
            parts.Add(string.Create(CultureInfo.InvariantCulture, $"{(outcome.Ready ? all - failed : 0)} of {all} peers"));
        }

        parts.Add(inputs.Etcd.IsConnected ? "etcd connected" : "etcd not connected");
        return $"{health}: {string.Join(", ", parts)}";
    }
}
