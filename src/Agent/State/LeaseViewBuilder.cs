using System.Collections.Immutable;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.State;

/// <summary>Turns what etcd answers into a <see cref="LeaseView"/>. Pure. A key that cannot be understood is set aside and harms no other.</summary>
public static class LeaseViewBuilder
{
    /// <summary>A view from a complete listing.</summary>
    /// <param name="range">All entries under <paramref name="subnetsPrefix"/>.</param>
    /// <param name="subnetsPrefix"><c>&lt;prefix&gt;/subnets/</c>, with the slash.</param>
    public static LeaseView FromSnapshot(EtcdRange range, string subnetsPrefix)
    {
        var leases = LeaseView.Empty.Leases.ToBuilder();
        var rejected = LeaseView.Empty.Rejected.ToBuilder();
        foreach (var entry in range.Entries)
            Put(entry, subnetsPrefix, leases, rejected);
        return new LeaseView(range.Revision, leases.ToImmutable(), rejected.ToImmutable(), true, false);
    }

    /// <summary>A provisional view from what the node kept of its last run: key → value.</summary>
    public static LeaseView FromSaved(IReadOnlyDictionary<string, string> saved)
    {
        var entries = saved.Select(s => new EtcdEntry(s.Key, s.Value, 0, 0, 0, 0)).ToList();
        return FromSnapshot(new EtcdRange(0, entries), "") with { IsProvisional = true };
    }

    /// <summary>The view after a batch of events. Events at or below the view's revision are ones it holds already.</summary>
    public static LeaseView Apply(LeaseView view, EtcdWatchBatch batch, string subnetsPrefix)
    {
        if (batch.Events.Count == 0)
            return view;
        var leases = view.Leases.ToBuilder();
        var rejected = view.Rejected.ToBuilder();
        var revision = view.Revision;
        foreach (var change in batch.Events)
        {
            if (change.Entry.ModRevision <= view.Revision)
                continue;
            revision = Math.Max(revision, change.Entry.ModRevision);
            if (change.Kind == EtcdWatchEventKind.Put)
            {
                Put(change.Entry, subnetsPrefix, leases, rejected);
                continue;
            }

            var name = Name(change.Entry, subnetsPrefix);
            leases.Remove(name);
            rejected.Remove(name);
        }

        return view with { Revision = revision, Leases = leases.ToImmutable(), Rejected = rejected.ToImmutable() };
    }

    private static void Put(EtcdEntry entry, string subnetsPrefix,
        ImmutableSortedDictionary<string, SubnetLease>.Builder leases, ImmutableSortedDictionary<string, string>.Builder rejected)
    {
        var name = Name(entry, subnetsPrefix);
        leases.Remove(name);
        rejected.Remove(name);
        if (!SubnetKey.TryParse(name, out var key))
            rejected[name] = "the key is not a subnet like 10.5.1.0-24";
        else if (!SubnetAttributes.TryParse(entry.Value, out var attributes, out var error))
            rejected[name] = error;
        else
            leases[name] = new SubnetLease(key, attributes, entry.ModRevision, entry.EtcdLease);
    }

    private static string Name(EtcdEntry entry, string subnetsPrefix) =>
        entry.Key.StartsWith(subnetsPrefix, StringComparison.Ordinal) ? entry.Key[subnetsPrefix.Length..] : entry.Key;
}
