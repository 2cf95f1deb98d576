using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Agent.Node;
using Accelerated.Agent.State;
using Accelerated.Agent.Systemd;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Reconcile;

/// <summary>
/// The one loop that writes: kernel state, firewall and subnet.env. It is woken by new inputs and by kernel events, and runs a full
/// pass on a timer all the same. An event says "look again" and nothing more; what to do is found by comparing with the kernel.
/// </summary>
public sealed partial class ReconcileLoop(
    AgentOptions options, InputStore store, WakeSignal wake, IDatapath datapath, NftablesFirewall firewall, ForeignChains foreign, SubnetFile subnetFile, SubnetChange subnetChange, StateKeeper keeper,
    RouteSocket routes, KernelWatch kernel, ServiceWatchdog watchdog, TimeProvider time, ILogger<ReconcileLoop> log)
{
    /// <summary>Code of the problem shown while our own rules are not in place.</summary>
    public const string NoFirewall = "firewall";

    /// <summary>Events may come in thousands; on average the loop spends at most a fifth of a CPU on looking.</summary>
    private const double WorkShare = 0.2;

    /// <summary>Some dozens of passes in a small network: a node that changes now and then never waits for a rest to end.</summary>
    private static readonly TimeSpan SavedWork = TimeSpan.FromMilliseconds(50);

    /// <summary>A node that meets five thousand peers must not write fifteen thousand lines.</summary>
    private const int MostChangesNamed = 20;

    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ObstacleSpan = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan ObstaclePause = TimeSpan.FromMilliseconds(100);

    private readonly WakeSignal _askedAtRest = new();
    private readonly WorkBudget _budget = new(WorkShare, SavedWork);
    private (AgentInputs Inputs, NodeFacts Node, DesiredState State)? _desired;
    private DesiredState? _applied;
    private NodeFacts? _node;
    private DateTimeOffset _lookedAt = DateTimeOffset.MinValue;
    private long? _obstacleSince;
    private IReadOnlyList<OtherInterface> _others = [];
    private IReadOnlyList<InterfaceAddress> _addresses = [];
    private (string Name, string Reason)? _carrier;
    private ReconcileOutcome _outcome = ReconcileOutcome.None;
    private TaskCompletionSource? _asked;

    /// <summary>Raised after every pass, on the loop's own time: whoever listens has to be quick.</summary>
    public event Action? Passed;

    /// <summary>The result of the latest pass.</summary>
    public ReconcileOutcome Outcome => Volatile.Read(ref _outcome);

    /// <summary>Asks for a full pass, in which nothing is taken as known. Callable from any thread; ends when such a pass has been made.</summary>
    public Task ReconcileAsync()
    {
        // Whoever comes before the loop has taken the request shares it.
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = Interlocked.CompareExchange(ref _asked, mine, null) ?? mine;
        _askedAtRest.Wake();
        wake.Wake();
        return asked.Task;
    }

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var wait = TimeSpan.Zero;
        try
        {
            for (; ; )
            {
                await WaitAsync(wait, cancellation).ConfigureAwait(false);
                var asked = Interlocked.Exchange(ref _asked, null);
                if (asked is not null)
                    _lookedAt = DateTimeOffset.MinValue;
                var started = Stopwatch.GetTimestamp();
                var before = ThreadTime.Used;
                var retry = Pass(store.Current, started);
                Passed?.Invoke();
                asked?.TrySetResult();
                var took = ThreadTime.Used - before;
                wait = retry is { } due && due < options.ReconcileInterval ? due : options.ReconcileInterval;
                var rest = _budget.Spend(Stopwatch.GetElapsedTime(0), took);
                // Events wait for its end; whoever asks for a pass does not, nor the container behind the CNI plugin that asks.
                if (rest > TimeSpan.Zero)
                    await _askedAtRest.WaitAsync(rest < LongestRest ? rest : LongestRest, time, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            // The next start begins with what this run knew last.
            if (_desired is { } last && ReferenceEquals(last.State, _applied))
                keeper.KeepLast(last.Inputs, last.Node);
        }
    }

    /// <summary>Waits for a reason to look or until <paramref name="wait"/> has passed; what lives by the loop's heartbeat is kept alive.</summary>
    private async Task WaitAsync(TimeSpan wait, CancellationToken cancellation)
    {
        var until = time.GetUtcNow() + wait;
        for (; ; )
        {
            var left = until - time.GetUtcNow();
            if (left < TimeSpan.Zero)
                left = TimeSpan.Zero;
            // Also before a pass that is due at once: it gets the whole of the watchdog's limit.
            var beat = Earlier(Earlier(datapath.Beat(), watchdog.Beat()), firewall.Beat());
            var last = beat is not { } due || due >= left;
            if (await wake.WaitAsync(last ? left : beat!.Value, time, cancellation).ConfigureAwait(false) || last)
                return;
        }
    }

    /// <summary>One pass; returns when a retry is due, or null.</summary>
    private TimeSpan? Pass(AgentInputs inputs, long started)
    {
        if (inputs is not { Config: { } config, Own: { } own, Leases.IsComplete: true })
            return null;
        var problems = ImmutableSortedDictionary.CreateBuilder<string, Problem>(StringComparer.Ordinal);
        var node = LookAtNode(problems);
        if (node is null)
            return Finish(false, null, [], problems, 0, started, options.RetryInterval);
        if (config.Backend.Mtu > node.Mtu)
        {
            problems.Add(new Problem(ProblemSeverity.Warning, "mtu", $"Backend.MTU {config.Backend.Mtu} in the config is more than the {node.Mtu} of {node.Interface}: {node.Mtu} is used",
                $"ip link set {node.Interface} mtu {config.Backend.Mtu}, if the network carries that, or lower Backend.MTU"));
        }

        if (DesiredStateBuilder.ObstacleToAddress(config, node, options.PublicIP(node)) is { } obstacle)
            problems.Add(new Problem(ProblemSeverity.Critical, "address", $"this node's address has changed, and peers are not told of it: {obstacle}", "give it back the address it had, or do what the message says"));
        else
            store.Update(i => options.PublicIP(node).Equals(i.PublicIP) ? i : i with { PublicIP = options.PublicIP(node) });
        var desired = Desire(inputs, config, own, node);
        ReportStrangeAddresses(config.IPv4!, desired.Overlays[0], problems);
        try
        {
            kernel.Expects(desired);
            // First: a peer that a route leads to and the guard does not know could not answer.
            var repairs = 0;
            var mark = datapath.Mark;
            var firewallDone = ApplyFirewall(desired, problems, ref repairs);
            // Before the datapath: it looks at whether others refuse what it would carry.
            var foreignAgain = ApplyForeign(ForeignSpec.Of(desired, options.Firewall, firewallDone), desired, problems, ref repairs);
            var report = datapath.Apply(desired);
            kernel.Concerns(report, desired);
            foreach (var problem in report.Problems)
                problems.Add(problem);
            ReportCarrier();
            repairs += ReportChanges(report, desired);
            // The lanes want another proof from now on: they have closed to the old one already.
            if (datapath.Mark != mark)
                firewallDone &= ApplyFirewall(desired, problems, ref repairs);
            if (!HasStood(report.NoDevice))
                return Finish(false, desired, report.Failures, problems, repairs, started, ObstaclePause);
            if (!ChooseTransport(report, desired, inputs, node, problems))
                return Finish(false, desired, report.Failures, problems, repairs, started, options.RetryInterval);
            _applied = desired;
            var keepAgain = keeper.Keep(inputs, node);
            var fileDone = ApplySubnetFile(desired, problems);
            // Containers reach each other without the rules: a node that lacks libnftables is degraded, not unready.
            return Finish(fileDone, desired, report.Failures, problems, repairs, started, firewallDone && fileDone ? Earlier(foreignAgain, Earlier(report.RetryAfter, keepAgain)) : options.RetryInterval);
        }
        catch (NetlinkException e)
        {
            problems.Add(KernelFailed(e));
        }

        return Finish(false, desired, [], problems, 0, started, options.RetryInterval);
    }

    /// <summary>
    /// Whether what is in the way of the device has been there for a moment. The host may have changed under the pass, and the kernel been asked for an MTU, say, that the
    /// underlay no longer carries: no reason to tell peers of another transport, but to look again.
    /// </summary>
    private bool HasStood(string? obstacle)
    {
        if (obstacle is null)
        {
            _obstacleSince = null;
            return true;
        }

        _obstacleSince ??= time.GetTimestamp();
        if (time.GetElapsedTime(_obstacleSince.Value) >= ObstacleSpan)
            return true;
        _lookedAt = DateTimeOffset.MinValue;
        return false;
    }

    /// <summary>
    /// The last rung of the ladder. Without a VTEP device the node's lease is changed to host-gw, if all others understand that; the
    /// lease changes back as soon as the device is there. What follows from the lease is the next pass's.
    /// </summary>
    /// <returns>Whether the node has a transport now.</returns>
    private bool ChooseTransport(
        DatapathReport report, DesiredState desired, AgentInputs inputs, NodeFacts node, ImmutableSortedDictionary<string, Problem>.Builder problems)
    {
        var overlay = desired.Overlays[0];
        if (overlay.Device is null)
            return true;
        if (report.NoDevice is not { } why)
        {
            store.Update(i => i.Transport == BackendConfig.Vxlan ? i : i with { Transport = BackendConfig.Vxlan });
            return true;
        }

        var obstacle = DesiredStateBuilder.ObstacleToHostGw(inputs.Config!, inputs.Own!, inputs.Leases, node);
        if (obstacle is null || overlay.IsHostGw)
            store.Update(i => i.Transport == BackendConfig.HostGw ? i : i with { Transport = BackendConfig.HostGw });
        if (!overlay.IsHostGw)
        {
            problems.Add(new Problem(ProblemSeverity.Critical, "no-transport",
                $"no transport: {why}; and host-gw cannot be used instead{(obstacle is null ? " yet: the lease is being changed" : $": {obstacle}")}", "do what the message says first; the agent notices"));
            return false;
        }

        if (options.Datapath != DatapathChoice.HostGw)
            problems.Add(new Problem(ProblemSeverity.Warning, "host-gw", $"plain routes carry packets, not VXLAN: {why}", "do what the message says; the agent notices"));
        return true;
    }

    private NodeFacts? LookAtNode(ImmutableSortedDictionary<string, Problem>.Builder problems)
    {
        try
        {
            var node = Look();
            if (!node.IsUp)
                problems.Add(new Problem(ProblemSeverity.Critical, "underlay-down", $"{node.Interface} is down", $"ip link set {node.Interface} up"));
            if (!node.Forwards)
            {
                problems.Add(new Problem(ProblemSeverity.Critical, "ip-forward", "this host does not forward packets, so no container reaches another host",
                    "sysctl -w net.ipv4.ip_forward=1, and keep it in /etc/sysctl.d"));
            }

            return node;
        }
        catch (UnderlayException e)
        {
            // Keep what the kernel has: an interface that went away may come back.
            _node = null;
            problems.Add(new Problem(ProblemSeverity.Critical, "underlay", e.Message, "bring the interface back, or restart with another --iface"));
            return null;
        }
        catch (NetlinkException e)
        {
            // Nothing is known to have changed, but what the kernel told of has not been seen yet.
            _lookedAt = DateTimeOffset.MinValue;
            problems.Add(KernelFailed(e));
            return null;
        }
    }

    /// <summary>The node's facts. Those that the kernel tells of are not looked for again while it says nothing.</summary>
    /// <exception cref="UnderlayException">The interface is not there, or not as the flags ask.</exception>
    private NodeFacts Look()
    {
        var now = time.GetUtcNow();
        if (!kernel.TakeHostChange() && _node is { } known && now - _lookedAt < options.ReconcileInterval)
            return known;
        _lookedAt = now;
        (_node, _others) = UnderlaySelector.Look(options.Underlay, routes);
        _addresses = routes.GetAddresses(AddressFamily.InterNetwork);
        return _node;
    }

    /// <summary>Bridges that were made with a subnet this node had before. What stands on our own device is the datapath's business.</summary>
    private void ReportStrangeAddresses(AddressPlan plan, OverlayNetwork overlay, ImmutableSortedDictionary<string, Problem>.Builder problems)
    {
        var strange = _addresses
            .Where(a => a.InterfaceIndex != overlay.UnderlayIndex && a.Label != overlay.Device?.Name && plan.AllocatesInside(new IPNetwork(a.Address, 32)) && !overlay.Subnet.Contains(a.Address))
            .Select(a => $"{a.Label ?? "an interface"} has {a.Address}/{a.PrefixLength}")
            .ToList();
        if (strange.Count > 0)
        {
            problems.Add(new Problem(ProblemSeverity.Degraded, "stale-bridge", $"{string.Join(", ", strange)}, which is not of this node's subnet {overlay.Subnet}: no other host reaches the containers there",
                $"make it anew with what {options.SubnetFile} says (systemctl restart docker); --on-subnet-change=restart-units does that by itself"));
        }
    }

    /// <summary>Equal inputs give the very same object, so that a pass can tell "nothing new" from "something new".</summary>
    private DesiredState Desire(AgentInputs inputs, NetworkConfig config, OwnSubnet own, NodeFacts node)
    {
        if (_desired is { } last && last.Node == node && ReferenceEquals(last.Inputs.Leases, inputs.Leases)
            && ReferenceEquals(last.Inputs.Own, inputs.Own) && ReferenceEquals(last.Inputs.Config, inputs.Config))
        {
            return last.State;
        }

        var state = DesiredStateBuilder.Build(config, own, inputs.Leases, node, options.Firewall);
        foreach (var (key, reason) in state.Rejected)
        {
            if (_desired?.State.Rejected.GetValueOrDefault(key) != reason)
                LogRejected(key, reason);
        }

        _desired = (inputs, node, state);
        return state;
    }

    /// <summary>Each step down the ladder and back up is in the log, with its reason.</summary>
    private void ReportCarrier()
    {
        var carrier = (datapath.Name, datapath.Reason);
        if (_carrier == carrier)
            return;
        _carrier = carrier;
        LogCarrier(carrier.Name, carrier.Reason);
    }

    private int ReportChanges(DatapathReport report, DesiredState desired)
    {
        // Nothing new was wanted, and yet something had to be changed: somebody else had been there.
        var isRepair = ReferenceEquals(_applied, desired);
        foreach (var change in report.Changes.Take(MostChangesNamed))
        {
            if (isRepair)
                LogRepaired(change);
            else
                LogChanged(change);
        }

        foreach (var change in report.Followed)
            LogFollowed(change);
        if (report.Changes.Count > MostChangesNamed)
            LogMoreChanges(report.Changes.Count - MostChangesNamed, desired.Overlays.Sum(o => o.PeerCount));

        foreach (var failure in report.Failures)
        {
            if (!_outcome.Failures.Contains(failure))
                LogRefused(failure.Error);
        }

        return isRepair ? report.Changes.Count : 0;
    }

    private bool ApplyFirewall(DesiredState desired, ImmutableSortedDictionary<string, Problem>.Builder problems, ref int repairs)
    {
        try
        {
            var change = firewall.Apply(desired.Firewall, datapath.Mark);
            if (change == FirewallChange.Repaired)
            {
                repairs++;
                LogRepaired("nftables rules written again");
            }
            else if (change == FirewallChange.Written && !ReferenceEquals(_applied, desired))
            {
                LogFirewall(desired.Firewall.Masquerade);
            }

            return true;
        }
        catch (Exception e) when (e is NftablesException or NativeException or NativeLibraryMissingException)
        {
            problems.Add(new Problem(ProblemSeverity.Degraded, NoFirewall, $"our nftables rules are not in place: {e.Message}",
                "install libnftables1 and a kernel with nf_tables; without the rules containers reach other containers, but not the outside, and anyone may send them VXLAN"));
            return false;
        }
    }

    /// <summary>Puts our rules into iptables' chains; returns when to look at them again without being told.</summary>
    private TimeSpan? ApplyForeign(ForeignSpec spec, DesiredState desired, ImmutableSortedDictionary<string, Problem>.Builder problems, ref int repairs)
    {
        try
        {
            var report = foreign.Apply(spec);
            foreach (var problem in report.Problems)
                problems.Add(problem);
            foreach (var change in report.Changes)
                LogForeign(change);
            repairs += ReferenceEquals(_applied, desired) ? report.Changes.Count : 0;
            return report.LookAgain;
        }
        catch (NativeException e)
        {
            problems.Add(new Problem(ProblemSeverity.Warning, "iptables", $"whether other rules on this host refuse the overlay's packets cannot be seen: {e.Message}", "give the agent CAP_NET_ADMIN"));
            return options.RetryInterval;
        }
    }

    private bool ApplySubnetFile(DesiredState desired, ImmutableSortedDictionary<string, Problem>.Builder problems)
    {
        try
        {
            if (subnetFile.Write(desired.SubnetFile.ToFileText()) is { } written)
            {
                LogSubnetFile(options.SubnetFile);
                if (written.Before is { } text && SubnetEnvironment.FindPreviousSubnet(text) is { } before && before != desired.Overlays[0].Subnet)
                    subnetChange.Announce(before, desired.Overlays[0].Subnet);
            }

            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(new Problem(ProblemSeverity.Critical, "subnet-file", $"--subnet-file={options.SubnetFile} cannot be written: {e.Message}",
                "make the directory writable, or name another file with --subnet-file"));
            return false;
        }
    }

    private static Problem KernelFailed(NetlinkException failure) =>
        new(ProblemSeverity.Critical, "kernel", failure.Message, "the agent tries again; if it stays, look into dmesg");

    private static TimeSpan? Earlier(TimeSpan? a, TimeSpan? b) => a is null || b < a ? b : a;

    private TimeSpan? Finish(bool complete, DesiredState? desired, IReadOnlyList<DatapathFailure> failures,
        ImmutableSortedDictionary<string, Problem>.Builder problems, int repairs, long started, TimeSpan? retry)
    {
        var found = problems.ToImmutable();
        foreach (var problem in found.Values)
        {
            if (!_outcome.Problems.ContainsValue(problem))
                LogProblem(problem.Message, problem.Remedy);
        }

        var ready = _outcome.Ready || complete;
        if (ready && !_outcome.Ready)
            LogReady(desired!.Overlays[0].Subnet.ToString(), desired.Overlays[0].PeerCount);
        Volatile.Write(ref _outcome, new ReconcileOutcome(
            ready, desired ?? _outcome.Desired, _desired?.Node ?? _outcome.Node, _others, failures, found, _outcome.Passes + 1, _outcome.Repairs + repairs,
            time.GetUtcNow(), Stopwatch.GetElapsedTime(started)));
        return retry;
    }

    [LoggerMessage(3001, LogLevel.Information, "{Change}")]
    private partial void LogChanged(string change);

    [LoggerMessage(3011, LogLevel.Debug, "{Change}")]
    private partial void LogFollowed(string change);

    [LoggerMessage(3002, LogLevel.Warning, "repaired what someone else changed: {Change}")]
    private partial void LogRepaired(string change);

    [LoggerMessage(3003, LogLevel.Error, "{Error}; trying again")]
    private partial void LogRefused(string error);

    [LoggerMessage(3004, LogLevel.Warning, "peer {Peer} is left out: {Reason}")]
    private partial void LogRejected(string peer, string reason);

    [LoggerMessage(3005, LogLevel.Error, "{Problem}: {Remedy}")]
    private partial void LogProblem(string problem, string remedy);

    [LoggerMessage(3006, LogLevel.Information, "firewall rules written (masquerade: {Masquerade})")]
    private partial void LogFirewall(bool masquerade);

    [LoggerMessage(3012, LogLevel.Information, "{Change}")]
    private partial void LogForeign(string change);

    [LoggerMessage(3007, LogLevel.Information, "wrote {Path}")]
    private partial void LogSubnetFile(string path);

    [LoggerMessage(3010, LogLevel.Information, "… and {Count} more changes; {Peers} peers in all")]
    private partial void LogMoreChanges(int count, int peers);

    [LoggerMessage(3013, LogLevel.Information, "packets are carried by {Name}: {Reason}")]
    private partial void LogCarrier(string name, string reason);

    [LoggerMessage(3008, LogLevel.Information, "ready: subnet {Subnet}, {Peers} peers")]
    private partial void LogReady(string subnet, int peers);
}
