using System.Collections.Immutable;
using System.Net;
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

    /// <summary>
    /// A view from a complete listing of a store that counts from below, because it was restored from a backup or set up anew: what
    /// <paramref name="before"/> knows and the listing does not have is kept. So is what was kept before.
    /// </summary>
    /// <param name="view">From <see cref="FromSnapshot"/>.</param>
    /// <param name="before">The view until now.</param>
    /// <param name="own">This node's identity: whether its own lease is there is for its keeper to see.</param>
    public static LeaseView KeepMissing(LeaseView view, LeaseView before, IPAddress? own)
    {
        var candidates = view.Revision < before.Revision ? before.Leases.Values : before.Kept.Select(name => before.Leases[name]);
        var kept = candidates
            .Where(lease => !Equals(lease.Attributes.PublicIP, own) && view.Leases.Values.All(there => !TakesPlaceOf(there, lease)))
            .Select(lease => KeyValuePair.Create(lease.Key.ToString(), lease)).ToList();
        return kept.Count == 0 ? view : view with { Leases = view.Leases.SetItems(kept), Kept = [.. kept.Select(k => k.Key)] };
    }

    /// <summary>The view without what was kept.</summary>
    public static LeaseView DropKept(LeaseView view) => view with { Leases = view.Leases.RemoveRange(view.Kept), Kept = [] };

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

        var kept = view.Kept;
        foreach (var name in view.Kept)
        {
            var old = view.Leases[name];
            if (leases.TryGetValue(name, out var now) && ReferenceEquals(now, old) && !leases.Values.Any(l => !ReferenceEquals(l, old) && TakesPlaceOf(l, old)))
                continue;
            kept = kept.Remove(name);
            if (ReferenceEquals(now, old))
                leases.Remove(name);
        }

        return view with { Revision = revision, Leases = leases.ToImmutable(), Rejected = rejected.ToImmutable(), Kept = kept };
    }

    private static bool TakesPlaceOf(SubnetLease lease, SubnetLease old) =>
        Equals(lease.Attributes.PublicIP, old.Attributes.PublicIP) || IPMath.Overlap(lease.Key.IPv4, old.Key.IPv4);

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
