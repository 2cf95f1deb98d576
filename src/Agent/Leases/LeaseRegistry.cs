using Accelerated.Agent.Etcd;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Leases;

/// <summary>
/// Keeps <see cref="AgentInputs.Leases"/> in step with etcd: a snapshot, then events from the next revision on. Whatever ends the
/// watch — compaction, a lost connection, a new leader — ends in a fresh snapshot, so nothing missed can stay missed. A store that lost its history
/// takes no node's packets away: leases that it no longer has are kept until their nodes have written again, or could have expired.
/// </summary>
public sealed partial class LeaseRegistry(
    IEtcdClient client, SubnetLeaseStore leases, EtcdSession session, InputStore store, TimeProvider time, ILogger<LeaseRegistry> log)
{
    /// <summary>Code of the problem shown while leases are kept that etcd no longer has.</summary>
    public const string Rewound = "etcd-rewound";

    private static readonly TimeSpan LagPause = TimeSpan.FromMilliseconds(250);

    private const int Named = 3;

    private long _rewound;

    /// <summary>Raised (on the registry's own task) after each new view.</summary>
    public event Action<LeaseView>? Changed;

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        for (; ; )
        {
            var listed = await session.RunAsync(_ => leases.ListAsync(cancellation), cancellation).ConfigureAwait(false);
            LogSnapshot(listed.Leases.Count, listed.Revision);
            var view = Follow(listed);
            Publish(view);
            try
            {
                var confirmed = false;
                await foreach (var batch in client.WatchAsync(leases.SubnetsPrefix, view.Revision + 1, cancellation).ConfigureAwait(false))
                {
                    session.Watching(leases.SubnetsPrefix);
                    // The member confirms the watch at a revision before our snapshot: it lags, or the store was restored from a backup.
                    if (!confirmed && batch.Revision < view.Revision)
                    {
                        await Task.Delay(LagPause, time, cancellation).ConfigureAwait(false);
                        break;
                    }

                    confirmed = true;
                    var next = LeaseViewBuilder.Apply(view, batch, leases.SubnetsPrefix);
                    // A batch comes every few seconds, if only as a sign of life.
                    if (next.Kept.Count > 0 && time.GetElapsedTime(_rewound) > leases.Ttl)
                        next = LeaseViewBuilder.DropKept(next);
                    if (ReferenceEquals(next, view))
                        continue;
                    view = next;
                    Publish(view);
                }
            }
            catch (EtcdCompactedException e)
            {
                LogCompacted(e.CompactRevision);
                await session.PauseAsync(cancellation).ConfigureAwait(false);
            }
            catch (EtcdException e) when (!cancellation.IsCancellationRequested)
            {
                await session.WatchEndedAsync(leases.SubnetsPrefix, e, cancellation).ConfigureAwait(false);
            }
        }
    }

    private LeaseView Follow(LeaseView listed)
    {
        var inputs = store.Current;
        var view = LeaseViewBuilder.KeepMissing(listed, inputs.Leases, inputs.Own?.Lease.Attributes.PublicIP);
        if (view.Revision < inputs.Leases.Revision)
        {
            _rewound = time.GetTimestamp();
            LogRewound(view.Revision, inputs.Leases.Revision, view.Kept.Count);
        }

        return view;
    }

    private void Publish(LeaseView view)
    {
        if (view.Kept.Count > 0)
        {
            store.Report(new Problem(ProblemSeverity.Warning, Rewound,
                $"etcd was restored from a backup or set up anew and no longer has {string.Join(", ", view.Kept.Take(Named))}{(view.Kept.Count > Named ? $" and {view.Kept.Count - Named} more" : "")}; traffic to these nodes goes on",
                $"nothing where an agent runs, it writes its lease again; restart flanneld on other nodes. A node that is gone is forgotten after {leases.Ttl.TotalHours:0.#} h"));
        }
        else
        {
            store.Resolve(Rewound);
        }

        store.Update(i => i with { Leases = view });
        Changed?.Invoke(view);
    }

    [LoggerMessage(1101, LogLevel.Debug, "snapshot of {Count} subnet leases at revision {Revision}")]
    private partial void LogSnapshot(int count, long revision);

    [LoggerMessage(1103, LogLevel.Warning, "etcd is at revision {Now} and was at {Before}: it was restored from a backup or set up anew. {Kept} leases that it no longer has are kept")]
    private partial void LogRewound(long now, long before, int kept);

    [LoggerMessage(1102, LogLevel.Information, "etcd compacted what we had not read yet (up to revision {Revision}): taking a fresh snapshot")]
    private partial void LogCompacted(long revision);
}
