using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Leases;

/// <summary>
/// Acquires the node's subnet and keeps it: keeps the etcd lease alive at a third of its TTL, and takes the subnet again when the
/// key vanishes or no longer says what this node wrote. Peers see no event while nothing changes.
/// </summary>
public sealed partial class OwnSubnetKeeper(
    SubnetLeaseStore leases, EtcdSession session, InputStore store, TimeSpan renewMargin, TimeProvider time, ILogger<OwnSubnetKeeper> log)
{
    /// <summary>Code of the problem shown while the network has no subnet left for this node.</summary>
    public const string NetworkFull = "network-full";

    private static readonly TimeSpan FullPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Forever = TimeSpan.FromDays(30);
    private readonly WakeSignal _wake = new();

    /// <summary>Gets a subnet and publishes it.</summary>
    /// <exception cref="NetworkFullException">None is free.</exception>
    public async Task<AcquiredSubnet> AcquireAsync(AcquireRequest request, CancellationToken cancellation)
    {
        var acquired = await session.RunAsync(_ => leases.AcquireAsync(request, cancellation), cancellation).ConfigureAwait(false);
        LogAcquired(acquired.Lease.Key, acquired.How);
        Publish(acquired.Lease);
        return acquired;
    }

    /// <summary>Looks at a new view of all leases; to be connected to <see cref="LeaseRegistry.Changed"/>.</summary>
    public void Observe(LeaseView view)
    {
        if (store.Current.Own is { } own && (IsLost(own.Lease, view) || IsBehind(own.Lease, view)))
            _wake.Wake();
    }

    /// <summary>Looks at what the datapath found; to be connected to <see cref="InputStore.Changed"/>.</summary>
    public void ObserveTransport(AgentInputs inputs)
    {
        if (inputs is { Transport: { } transport, Own: { IsProvisional: false } own, Config: { } config }
            && config.Backend.Type == BackendConfig.Vxlan && own.Lease.Attributes.BackendType != transport)
        {
            _wake.Wake();
        }
    }

    /// <summary>Keeps what was acquired until cancelled.</summary>
    public async Task KeepAsync(AcquiredSubnet acquired, AcquireRequest request, CancellationToken cancellation)
    {
        for (; ; )
        {
            await _wake.WaitAsync(UntilRenewal(acquired), time, cancellation).ConfigureAwait(false);
            var view = store.Current.Leases;
            if (!IsBehind(acquired.Lease, view) && !IsOutdated(acquired.Lease, request))
            {
                if (!IsLost(acquired.Lease, view) && await RenewAsync(acquired, cancellation).ConfigureAwait(false) is { } renewed)
                {
                    acquired = renewed;
                    continue;
                }

                LogLost(acquired.Lease.Key);
            }

            acquired = await ReacquireAsync(request with { Previous = acquired.Lease.Key.IPv4 }, cancellation).ConfigureAwait(false);
        }
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
                if (!acquired.Lease.Key.IPv4.Equals(request.Previous))
                    LogMoved(request.Previous.ToString()!, acquired.Lease.Key.IPv4.ToString());
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

    private void Publish(SubnetLease lease) => store.Update(i => i with { Own = new OwnSubnet(lease, IsProvisional: false) });

    /// <summary>Whether a view that is at least as new as our last write lacks the lease or has another in its place.</summary>
    private static bool IsLost(SubnetLease own, LeaseView view) =>
        view.IsComplete && view.Revision >= own.ModRevision
        && (!view.Leases.TryGetValue(own.Key.ToString(), out var seen) || seen.Attributes != own.Attributes || seen.EtcdLease != own.EtcdLease);

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
        LogOutdated(own.Key, own.Attributes.BackendType, now.BackendType);
        return true;
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

    [LoggerMessage(1204, LogLevel.Information, "our lease on {Subnet} has to be changed: this node was {Before} and is {Now}")]
    private partial void LogOutdated(SubnetKey subnet, string before, string now);

    [LoggerMessage(1203, LogLevel.Error, "our subnet {Old} is taken by another node: this node is now {New}. Containers keep their old addresses until they, or Docker, are restarted")]
    private partial void LogMoved(string old, string @new);
}
