using Accelerated.Agent.Etcd;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Leases;

/// <summary>
/// Follows the network configuration while the agent runs. What can be applied without a new subnet is applied; anything else,
/// a wrong config included, changes nothing here and is said.
/// </summary>
public sealed partial class ConfigFollower(
    IEtcdClient client, SubnetLeaseStore leases, EtcdSession session, InputStore store, TimeProvider time, ILogger<ConfigFollower> log)
{
    /// <summary>Code of the problem shown while etcd holds a config that this node does not follow.</summary>
    public const string NotFollowed = "config-not-followed";

    /// <summary>Code of the problem shown while something in the config deserves a word.</summary>
    public const string Remarks = "config";

    private static readonly TimeSpan LagPause = TimeSpan.FromMilliseconds(250);

    /// <summary>Runs until cancelled, beginning with the config that is in <see cref="AgentInputs.Config"/>.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        for (; ; )
        {
            var range = await session.RunAsync(c => c.GetAsync(leases.ConfigKey, cancellation), cancellation).ConfigureAwait(false);
            Follow(range.Entries.Count > 0 ? range.Entries[0].Value : null);
            try
            {
                await WaitForChangeAsync(range.Revision, cancellation).ConfigureAwait(false);
            }
            catch (EtcdCompactedException)
            {
                // Looked at again at once: what is there now counts, not how it came.
            }
            catch (EtcdException e) when (!cancellation.IsCancellationRequested)
            {
                await session.WatchEndedAsync(leases.ConfigKey, e, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Puts a config's warnings into the log and status; takes them back when there are none.</summary>
    public void Remark(NetworkConfig config)
    {
        if (config.Warnings.Count == 0)
        {
            store.Resolve(Remarks);
            return;
        }

        store.Report(new Problem(ProblemSeverity.Warning, Remarks, string.Join("; ", config.Warnings), $"etcdctl put {leases.ConfigKey} …"));
        foreach (var warning in config.Warnings)
            LogWarning(leases.ConfigKey, warning);
    }

    private async Task WaitForChangeAsync(long revision, CancellationToken cancellation)
    {
        await foreach (var batch in client.WatchKeyAsync(leases.ConfigKey, revision + 1, cancellation).ConfigureAwait(false))
        {
            session.Watching(leases.ConfigKey);
            if (batch.Events.Count > 0)
                return;
            // The member lags, or the store was restored from a backup: look again, but not in a hot loop.
            if (batch.Revision < revision)
            {
                await Task.Delay(LagPause, time, cancellation).ConfigureAwait(false);
                return;
            }
        }
    }

    private void Follow(string? json)
    {
        var current = store.Current.Config!;
        if (json == current.Source)
        {
            store.Resolve(NotFollowed);
            return;
        }

        if (json is null)
        {
            Keep("the key is gone", $"etcdctl put {leases.ConfigKey} '{current.Source}'");
            return;
        }

        NetworkConfig next;
        try
        {
            next = NetworkConfigParser.Parse(json);
        }
        catch (NetworkConfigException e)
        {
            Keep(e.Message, $"correct it: etcdctl put {leases.ConfigKey} '…'");
            return;
        }

        if (Difference(current, next) is { } difference)
        {
            Keep($"{difference} cannot be changed while the agent runs", "restart the agent on each node, one after the other, or put the old value back");
            return;
        }

        LogFollowed(leases.ConfigKey, json);
        Remark(next);
        store.Update(i => i with { Config = next });
        store.Resolve(NotFollowed);
    }

    private void Keep(string why, string remedy)
    {
        var problem = new Problem(ProblemSeverity.Degraded, NotFollowed, $"the network config in etcd ({leases.ConfigKey}) is not followed, the one before stays in force: {why}", remedy);
        if (store.Current.Problems.TryGetValue(NotFollowed, out var known) && known == problem)
            return;
        LogKept(problem.Message, problem.Remedy);
        store.Report(problem);
    }

    /// <summary>What needs another subnet or another device, in the config's words; null when there is nothing of the kind.</summary>
    private static string? Difference(NetworkConfig before, NetworkConfig after) =>
        before.IPv4 != after.IPv4 ? "Network or SubnetLen, SubnetMin, SubnetMax"
        : before.IPv6 != after.IPv6 ? "EnableIPv6 or IPv6Network"
        : before.Backend.Type != after.Backend.Type ? "Backend.Type"
        : before.Backend.Vni != after.Backend.Vni ? "Backend.VNI"
        : null;

    [LoggerMessage(1301, LogLevel.Information, "network config {Key} has changed, following it: {Json}")]
    private partial void LogFollowed(string key, string json);

    [LoggerMessage(1302, LogLevel.Error, "{Problem}: {Remedy}")]
    private partial void LogKept(string problem, string remedy);

    [LoggerMessage(1303, LogLevel.Warning, "network config {Key}: {Warning}")]
    private partial void LogWarning(string key, string warning);
}
