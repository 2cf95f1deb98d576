using System.Net;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Leases;

/// <summary>
/// Acquires the node's subnet and keeps it: keeps the etcd lease alive at a third of its TTL, and takes the subnet again when the
/// key vanishes or no longer says what this node wrote. Peers see no event while nothing changes. When another writer with the same
/// PublicIP, or under this node's etcd lease, changes the key twice within an hour, two nodes have one identity: this one stops writing
/// and keeps its data plane.
/// </summary>
public sealed partial class OwnSubnetKeeper(
    SubnetLeaseStore leases, EtcdSession session, InputStore store, TimeSpan renewMargin, TimeProvider time, ILogger<OwnSubnetKeeper> log)
{
    /// <summary>Code of the problem shown while the network has no subnet left for this node.</summary>
    public const string NetworkFull = "network-full";

    /// <summary>Code of the problem shown while another node holds the key with this node's PublicIP.</summary>
    public const string Disputed = "lease-disputed";

    private static readonly TimeSpan FullPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Forever = TimeSpan.FromDays(30);
    private readonly WakeSignal _wake = new();

    /// <summary>Gets a subnet and publishes it.</summary>
    /// <exception cref="NetworkFullException">None is free.</exception>
    public async Task<AcquiredSubnet> AcquireAsync(AcquireRequest request, CancellationToken cancellation)
    {
        var acquired = await session.RunAsync(_ => leases.AcquireAsync(request, cancellation), cancellation).ConfigureAwait(false);
        if (request.GivenUp is { } givenUp)
            LogGivenUp(givenUp.Key, givenUp.Attributes.PublicIP, request.PublicIP);
        LogAcquired(acquired.Lease.Key, acquired.How);
        Publish(acquired);
        return acquired;
    }

    /// <summary>Looks at a new view of all leases; to be connected to <see cref="LeaseRegistry.Changed"/>.</summary>
    public void Observe(LeaseView view)
    {
        if (store.Current.Own is { } own && (IsLost(own.Lease, view) || IsBehind(own.Lease, view)))
            _wake.Wake();
    }

    /// <summary>Looks at what the reconcile loop found on this host; to be connected to <see cref="InputStore.Changed"/>.</summary>
    public void ObserveHost(AgentInputs inputs)
    {
        if (inputs is not { Own: { IsProvisional: false } own, Config: { } config })
            return;
        var attributes = own.Lease.Attributes;
        var isMoved = inputs.PublicIP is { } publicIP && !publicIP.Equals(attributes.PublicIP);
        var isOther = inputs.Transport is { } transport && config.Backend.Type == BackendConfig.Vxlan && attributes.BackendType != transport;
        if (isMoved || isOther)
            _wake.Wake();
    }

    /// <summary>Keeps what was acquired until cancelled.</summary>
    public async Task KeepAsync(AcquiredSubnet acquired, AcquireRequest request, CancellationToken cancellation)
    {
        // A claim that is answered by another change is a dispute already.
        var changed = acquired.IsClaim ? time.GetUtcNow() : (DateTimeOffset?)null;
        var (answered, standing) = (0L, false);
        request = request with { GivenUp = null };
        for (; ; )
        {
            await _wake.WaitAsync(UntilRenewal(acquired), time, cancellation).ConfigureAwait(false);
            var view = store.Current.Leases;
            request = request with { PublicIP = store.Current.PublicIP ?? request.PublicIP };
            if (store.Current.Own is { } own && !own.IsKeptAs(request.PublicIP, time.GetUtcNow()))
            {
                acquired = await ReacquireAsync(request with { Previous = null, Held = null, GivenUp = own.Lease }, cancellation).ConfigureAwait(false);
                (changed, standing) = (acquired.IsClaim ? time.GetUtcNow() : null, false);
                store.Resolve(Disputed);
                continue;
            }

            var other = Intruder(acquired.Lease, view);
            if (other is not null && other.ModRevision != answered)
            {
                var now = time.GetUtcNow();
                standing |= changed is { } last && now - last < OwnSubnet.ClaimSpan;
                (changed, answered) = (now, other.ModRevision);
                if (standing)
                    ReportDispute(acquired.Lease, other);
            }

            if (other is null && standing)
            {
                standing = false;
                store.Resolve(Disputed);
            }

            if (standing)
                continue;
            if (!IsBehind(acquired.Lease, view) && !IsOutdated(acquired.Lease, request))
            {
                if (!IsLost(acquired.Lease, view) && await RenewAsync(acquired, cancellation).ConfigureAwait(false) is { } renewed)
                {
                    acquired = renewed;
                    continue;
                }

                LogLost(acquired.Lease.Key);
            }

            // With the value it had: another writer's VTEP MAC is not to become this node's.
            var mine = acquired.Lease;
            acquired = await ReacquireAsync(
                request with { Previous = mine.Key.IPv4, Held = mine, Attributes = _ => request.Attributes(mine.Attributes), IsOurs = l => other is null || l.EtcdLease == mine.EtcdLease },
                cancellation).ConfigureAwait(false);
        }
    }

    private void ReportDispute(SubnetLease own, SubnetLease other)
    {
        var (who, apart) = Equals(other.Attributes.PublicIP, own.Attributes.PublicIP)
            ? ($"another node has PublicIP {own.Attributes.PublicIP} too", "give one of the two another --public-ip or --iface and restart it")
            : ($"the node {other.Attributes.PublicIP} has this node's etcd lease, as a copy of this machine would have,", "remove the state directory (--state-dir) of the one that is a copy and restart its agent");
        var message = $"{who} and changes the lease on {own.Key}: its VTEP MAC is {Mac(other)}, this node's {Mac(own)}. This node has stopped writing; what it carries goes on";
        var remedy = $"{apart}, then etcdctl del {leases.SubnetsPrefix}{own.Key}: this node takes it again";
        LogDisputed(message, remedy);
        store.Report(new Problem(ProblemSeverity.Critical, Disputed, message, remedy));

        static string Mac(SubnetLease lease) => lease.Attributes.Vtep?.Mac.ToString() ?? "unknown";
    }

    private async Task<AcquiredSubnet?> RenewAsync(AcquiredSubnet acquired, CancellationToken cancellation)
    {
        if (acquired.Lease.EtcdLease == 0)
            return acquired;
        var left = await session.RunAsync(_ => leases.KeepAliveAsync(acquired.Lease, cancellation), cancellation).ConfigureAwait(false);
        return left is null ? null : acquired with { Ttl = left };
    }

    private async Task<AcquiredSubnet> ReacquireAsync(AcquireRequest request, CancellationToken cancellation)
    {
        for (; ; )
        {
            try
            {
                var acquired = await AcquireAsync(request, cancellation).ConfigureAwait(false);
                store.Resolve(NetworkFull);
                if (request.Previous is { } previous && !acquired.Lease.Key.IPv4.Equals(previous))
                    LogMoved(previous.ToString(), acquired.Lease.Key.IPv4.ToString());
                return acquired;
            }
            catch (NetworkFullException e)
            {
                // The subnet we had is someone else's now; keep the data plane and ask again.
                store.Report(new Problem(ProblemSeverity.Critical, NetworkFull, "this node lost its subnet and none is free", e.Message));
                await Task.Delay(FullPause, time, cancellation).ConfigureAwait(false);
            }
        }
    }

    private void Publish(AcquiredSubnet acquired)
    {
        // To take one's own subnet back is no claim.
        var now = acquired.IsClaim ? time.GetUtcNow() : (DateTimeOffset?)null;
        store.Update(i => i with
        {
            Own = new OwnSubnet(acquired.Lease, IsProvisional: false) { Claimed = i.Own is { } own && own.Lease.Key == acquired.Lease.Key ? own.Claimed : now },
        });
    }

    /// <summary>Whether a view that is at least as new as our last write lacks the lease or has another in its place.</summary>
    private static bool IsLost(SubnetLease own, LeaseView view) =>
        view.IsComplete && view.Revision >= own.ModRevision
        && (!view.Leases.TryGetValue(own.Key.ToString(), out var seen) || seen.Attributes != own.Attributes || seen.EtcdLease != own.EtcdLease);

    /// <summary>
    /// What stands in the place of our lease if another node wrote it that has our PublicIP, or a copy of what we know; null if nobody did. An
    /// operator's putting the same value without a TTL makes a reservation of it and is no dispute.
    /// </summary>
    private static SubnetLease? Intruder(SubnetLease own, LeaseView view) =>
        IsLost(own, view) && view.Leases.TryGetValue(own.Key.ToString(), out var seen)
        && (Equals(seen.Attributes.PublicIP, own.Attributes.PublicIP) || (seen.EtcdLease == own.EtcdLease && seen.EtcdLease != 0))
        && (seen.EtcdLease != 0 || seen.Attributes != own.Attributes) ? seen : null;

    /// <summary>
    /// Whether a view is older than our last write. As a rule it is only late. But an etcd that was restored from a backup, or set up
    /// anew, counts from below: our key may be missing and no event will ever say so. Acquiring again answers both, without a write
    /// if all is well.
    /// </summary>
    private static bool IsBehind(SubnetLease own, LeaseView view) => view.IsComplete && !view.IsProvisional && view.Revision < own.ModRevision;

    /// <summary>Whether the lease does not say what this node is now. Adopting it writes it anew.</summary>
    private bool IsOutdated(SubnetLease own, AcquireRequest request)
    {
        var now = request.Attributes(own.Attributes);
        if (now == own.Attributes)
            return false;
        LogOutdated(own.Key, Words(own.Attributes), Words(now));
        return true;

        static string Words(SubnetAttributes a) => $"{a.BackendType} at {a.PublicIP}";
    }

    private TimeSpan UntilRenewal(AcquiredSubnet acquired)
    {
        if (acquired.Ttl is not { } ttl)
            return Forever;
        // A third of the TTL, jittered, and never later than the margin before expiry that the operator asked for.
        var third = ttl / 3 * (0.9 + (0.2 * Random.Shared.NextDouble()));
        var latest = ttl - renewMargin;
        return latest > TimeSpan.Zero && latest < third ? latest : third;
    }

    [LoggerMessage(1201, LogLevel.Information, "subnet {Subnet} is ours: {How}")]
    private partial void LogAcquired(SubnetKey subnet, string how);

    [LoggerMessage(1202, LogLevel.Warning, "our lease on {Subnet} is gone from etcd or was changed by someone else: taking it again")]
    private partial void LogLost(SubnetKey subnet);

    [LoggerMessage(1205, LogLevel.Critical, "{Message}: {Remedy}")]
    private partial void LogDisputed(string message, string remedy);

    [LoggerMessage(1204, LogLevel.Information, "our lease on {Subnet} has to be changed: this node was {Before} and is {Now}")]
    private partial void LogOutdated(SubnetKey subnet, string before, string now);

    [LoggerMessage(1206, LogLevel.Warning, "{Subnet} was claimed as {Before}, which is not this node: this node is {Now} and leaves the subnet to the node that it belongs to")]
    private partial void LogGivenUp(SubnetKey subnet, IPAddress? before, IPAddress now);

    [LoggerMessage(1203, LogLevel.Error, "our subnet {Old} is taken by another node: this node is now {New}. Containers keep their old addresses until they, or Docker, are restarted")]
    private partial void LogMoved(string old, string @new);
}
