using System.Net;
using Accelerated.Agent.Datapath.Lanes;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Node;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Cli;

/// <summary>What the operator asked for, checked: flags, and the environment where a flag is absent.</summary>
public sealed record AgentOptions
{
    /// <summary>How to reach etcd.</summary>
    public required EtcdClientOptions Etcd { get; init; }

    /// <summary><c>--etcd-prefix</c>, without a trailing slash.</summary>
    public required string EtcdPrefix { get; init; }

    /// <summary>Which interface carries the underlay.</summary>
    public required UnderlayOptions Underlay { get; init; }

    /// <summary>What the firewall is to do.</summary>
    public required FirewallOptions Firewall { get; init; }

    /// <summary><c>--subnet-file</c>.</summary>
    public required string SubnetFile { get; init; }

    /// <summary><c>--run-dir</c>: socket and lock.</summary>
    public required string RunDirectory { get; init; }

    /// <summary><c>--state-dir</c>: what outlives a reboot.</summary>
    public required string StateDirectory { get; init; }

    /// <summary><c>--instance</c>: names what two agents on one host must not share.</summary>
    public required string Instance { get; init; }

    /// <summary><c>--datapath</c>.</summary>
    public required DatapathChoice Datapath { get; init; }

    /// <summary>Whether the eBPF lanes are tried.</summary>
    public bool UsesLanes => Datapath is DatapathChoice.Auto or DatapathChoice.Bpf;

    /// <summary>The eBPF lanes' settings.</summary>
    public required LaneOptions Lanes { get; init; }

    /// <summary><c>--subnet-lease-ttl</c>: how long the subnet stays ours without a sign of life.</summary>
    public required TimeSpan SubnetLeaseTtl { get; init; }

    /// <summary><c>--subnet-lease-renew-margin</c>: renewed no later than this before it ends.</summary>
    public required TimeSpan RenewMargin { get; init; }

    /// <summary><c>--reconcile-interval</c>: how often a full pass runs without a reason.</summary>
    public required TimeSpan ReconcileInterval { get; init; }

    /// <summary><c>--on-subnet-change</c> and <c>--restart-units</c>.</summary>
    public required SubnetChangeOptions SubnetChange { get; init; }

    /// <summary>How soon a pass that failed as a whole is tried again.</summary>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary><c>--healthz-ip</c> and <c>--healthz-port</c>; null for none.</summary>
    public required IPEndPoint? Health { get; init; }

    /// <summary>More detail in the log (<c>-v</c> above 0).</summary>
    public required bool Verbose { get; init; }

    /// <summary>Flags that are accepted and have no effect here, each with a sentence why.</summary>
    public required IReadOnlyList<string> Notices { get; init; }

    /// <summary>The address peers are told: <c>--public-ip</c>, else the underlay interface's.</summary>
    public IPAddress PublicIP(NodeFacts node) => Underlay.PublicIP ?? node.Address;

    /// <summary>The status socket of an instance.</summary>
    public static string SocketPath(string runDirectory, string instance) => Path.Combine(Folder(runDirectory, instance), "agent.sock");

    /// <summary>The lock that keeps a second agent of the same instance away.</summary>
    public static string LockPath(string runDirectory, string instance) => Path.Combine(Folder(runDirectory, instance), "agent.lock");

    /// <summary>Where an instance keeps what lives until the next boot.</summary>
    internal static string Folder(string runDirectory, string instance) =>
        instance == DefaultInstance ? runDirectory : Path.Combine(runDirectory, instance);

    /// <summary>The instance when none is named.</summary>
    public const string DefaultInstance = "default";
}
