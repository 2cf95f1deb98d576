using Accelerated.Agent.Etcd;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Leases;

/// <summary>
/// Keeps <see cref="AgentInputs.Leases"/> in step with etcd: a snapshot, then events from the next revision on. Whatever ends the
/// watch — compaction, a lost connection, a new leader — ends in a fresh snapshot, so nothing missed can stay missed.
/// </summary>
public sealed partial class LeaseRegistry(
    IEtcdClient client, SubnetLeaseStore leases, EtcdSession session, InputStore store, TimeProvider time, ILogger<LeaseRegistry> log)
{
    private static readonly TimeSpan LagPause = TimeSpan.FromMilliseconds(250);

    /// <summary>Raised (on the registry's own task) after each new view.</summary>
    public event Action<LeaseView>? Changed;

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        for (; ; )
        {
            var view = await session.RunAsync(_ => leases.ListAsync(cancellation), cancellation).ConfigureAwait(false);
            LogSnapshot(view.Leases.Count, view.Revision);
            Publish(view);
            try
            {
                var confirmed = false;
                await foreach (var batch in client.WatchAsync(leases.SubnetsPrefix, view.Revision + 1, cancellation).ConfigureAwait(false))
                {
                    session.Succeeded();
                    // The member confirms the watch at a revision before our snapshot: it lags, or the store was restored from a backup.
                    if (!confirmed && batch.Revision < view.Revision)
                    {
                        LogRevisionWentBack(batch.Revision, view.Revision);
                        await Task.Delay(LagPause, time, cancellation).ConfigureAwait(false);
                        break;
                    }

                    confirmed = true;
                    var next = LeaseViewBuilder.Apply(view, batch, leases.SubnetsPrefix);
                    if (ReferenceEquals(next, view))
                        continue;
                    view = next;
                    Publish(view);
                }
            }
            catch (EtcdCompactedException e)
            {
                LogCompacted(e.CompactRevision);
            }
            catch (EtcdException e) when (!cancellation.IsCancellationRequested)
            {
                await session.FailedAsync(e, cancellation).ConfigureAwait(false);
            }
        }
    }

    private void Publish(LeaseView view)
    {
        store.Update(i => i with { Leases = view });
        Changed?.Invoke(view);
    }

    [LoggerMessage(1101, LogLevel.Debug, "snapshot of {Count} subnet leases at revision {Revision}")]
    private partial void LogSnapshot(int count, long revision);

    [LoggerMessage(1103, LogLevel.Warning, "etcd is at revision {Now}, our snapshot at {Before}: taking a fresh one")]
    private partial void LogRevisionWentBack(long now, long before);

    [LoggerMessage(1102, LogLevel.Information, "etcd compacted what we had not read yet (up to revision {Revision}): taking a fresh snapshot")]
    private partial void LogCompacted(long revision);
}
