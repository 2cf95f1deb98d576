using Accelerated.Agent.Etcd;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

public sealed class LeaseViewBuilderTests
{
    private const string Prefix = "/coreos.com/network/subnets/";
    private const string ValueA = """{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"76:19:b2:0f:7d:a4"}}""";
    private const string ValueB = """{"PublicIP":"192.0.2.2","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"6e:0b:24:f3:bc:5a"}}""";

    [Fact]
    public void FromSnapshot_OfGoodKeys_IsCompleteAndSorted()
    {
        var view = LeaseViewBuilder.FromSnapshot(new EtcdRange(42, [Entry("10.5.9.0-24", ValueB, 7, 0), Entry("10.5.10.0-24", ValueA, 9, 77)]), Prefix);

        Assert.Equal((42L, true, false), (view.Revision, view.IsComplete, view.IsProvisional));
        Assert.Equal(["10.5.10.0-24", "10.5.9.0-24"], view.Leases.Keys);
        Assert.Empty(view.Rejected);
        var lease = view.Leases["10.5.10.0-24"];
        Assert.Equal((9L, 77L, "10.5.10.0-24", ValueA), (lease.ModRevision, lease.EtcdLease, lease.Key.ToString(), lease.Attributes.ToJson()));
    }

    [Fact]
    public void FromSnapshot_WithPoison_SetsItAsideAndKeepsTheRest()
    {
        var view = LeaseViewBuilder.FromSnapshot(new EtcdRange(42, [
            Entry("10.5.1.0-24", ValueA, 1, 0),
            Entry("10.5.2.0-24", "{", 2, 0),
            Entry("10.5.3.0-24", "", 3, 0),
            Entry("10.5.4.0-24", """{"BackendType":"\ud800"}""", 4, 0),
            Entry("10.5.5.0-24", """{"PublicIP":1}""", 5, 0),
            Entry("10.5.6.0/24", ValueA, 6, 0),
            Entry("\ufffd\ufffd", ValueA, 7, 0),
            Entry("", ValueA, 8, 0),
            Entry("10.5.8.0-24/more", ValueA, 9, 0),
            Entry("10.5.9.0-24", """{"\ud800":1,"PublicIP":"192.0.2.2"}""", 10, 0),
            Entry("10.5.10.0-24", new string('[', 10_000), 11, 0)]), Prefix);

        Assert.Equal(["10.5.1.0-24", "10.5.9.0-24"], view.Leases.Keys);
        Assert.Equal(
            [
                " → the key is not a subnet like 10.5.1.0-24",
                "10.5.10.0-24 → the value is not JSON",
                "10.5.2.0-24 → the value is not JSON",
                "10.5.3.0-24 → the value is not JSON",
                "10.5.4.0-24 → BackendType is \"\\ud800\": expected text without broken \\u escapes",
                "10.5.5.0-24 → PublicIP is 1: expected text in quotes",
                "10.5.6.0/24 → the key is not a subnet like 10.5.1.0-24",
                "10.5.8.0-24/more → the key is not a subnet like 10.5.1.0-24",
                "\ufffd\ufffd → the key is not a subnet like 10.5.1.0-24",
            ],
            view.Rejected.Select(r => $"{r.Key} → {r.Value}"));
    }

    [Fact]
    public void KeepMissing_OfAStoreThatCountsFromBelow_KeepsOthersLeasesUntilTheirPlaceIsTaken()
    {
        var before = Snapshot(10, ("10.5.1.0-24", ValueA), ("10.5.2.0-24", ValueB));
        var own = before.Leases["10.5.1.0-24"].Attributes.PublicIP;

        // Not a store that is merely emptier, and never the node's own.
        Assert.Empty(LeaseViewBuilder.KeepMissing(Snapshot(10), before, own).Leases);
        var view = LeaseViewBuilder.KeepMissing(Snapshot(3), before, own);
        Assert.Equal((3L, "10.5.2.0-24", "10.5.2.0-24"), (view.Revision, string.Join(' ', view.Leases.Keys), string.Join(' ', view.Kept)));

        // What the store has under that PublicIP, or over that subnet, stands for itself.
        Assert.Empty(LeaseViewBuilder.KeepMissing(Snapshot(3, ("10.5.7.0-24", ValueB)), before, own).Kept);
        Assert.Empty(LeaseViewBuilder.KeepMissing(Snapshot(3, ("10.5.2.128-25", ValueA)), before, own).Kept);

        Assert.Equal("10.5.2.0-24", string.Join(' ', LeaseViewBuilder.KeepMissing(Snapshot(4), view, own).Leases.Keys));
        Assert.Empty(LeaseViewBuilder.DropKept(view).Leases);
    }

    [Fact]
    public void Apply_OfEvents_FollowsThemInOrder()
    {
        var view = Snapshot(10, ("10.5.1.0-24", ValueA), ("10.5.2.0-24", ValueB));

        var next = LeaseViewBuilder.Apply(view, new EtcdWatchBatch(99, [
            Put("10.5.3.0-24", ValueA, 11, 5),
            Delete("10.5.1.0-24", 12),
            Put("10.5.2.0-24", ValueA, 13),
            Put("10.5.1.0-24", ValueB, 14),
            Delete("10.5.3.0-24", 15),
            Delete("10.5.7.0-24", 15)]), Prefix);

        // The revision is the last event's: the batch's own can be ahead of what it brings.
        Assert.Equal((15L, true, false), (next.Revision, next.IsComplete, next.IsProvisional));
        Assert.Equal([$"10.5.1.0-24 14 {ValueB}", $"10.5.2.0-24 13 {ValueA}"],
            next.Leases.Select(l => $"{l.Key} {l.Value.ModRevision} {l.Value.Attributes.ToJson()}"));
        Assert.Equal(["10.5.1.0-24", "10.5.2.0-24"], view.Leases.Keys);
        Assert.Equal(ValueA, view.Leases["10.5.1.0-24"].Attributes.ToJson());
    }

    [Fact]
    public void Apply_OfPoison_TakesTheKeyOutUntilItIsGoodAgain()
    {
        var view = Snapshot(10, ("10.5.1.0-24", ValueA), ("10.5.2.0-24", ValueB));

        var poisoned = LeaseViewBuilder.Apply(view, Batch(Put("10.5.1.0-24", "poison", 11), Put("poison", ValueA, 12)), Prefix);
        Assert.Equal(["10.5.2.0-24"], poisoned.Leases.Keys);
        Assert.Equal(["10.5.1.0-24", "poison"], poisoned.Rejected.Keys);

        var half = LeaseViewBuilder.Apply(poisoned, Batch(Put("10.5.1.0-24", ValueB, 13)), Prefix);
        Assert.Equal(["10.5.1.0-24", "10.5.2.0-24"], half.Leases.Keys);
        Assert.Equal(["poison"], half.Rejected.Keys);

        var clean = LeaseViewBuilder.Apply(half, Batch(Delete("poison", 14)), Prefix);
        Assert.Empty(clean.Rejected);
        Assert.Equal(2, clean.Leases.Count);
    }

    [Fact]
    public void Apply_OfWhatTheViewHolds_ChangesNothing()
    {
        var view = Snapshot(10, ("10.5.1.0-24", ValueA));

        Assert.Same(view, LeaseViewBuilder.Apply(view, new EtcdWatchBatch(11, []), Prefix));
        var next = LeaseViewBuilder.Apply(view, Batch(Delete("10.5.1.0-24", 9), Put("10.5.2.0-24", ValueB, 10)), Prefix);
        Assert.Equal((10L, 1), (next.Revision, next.Leases.Count));
    }

    [Fact]
    public void Apply_OfEventsOfOneTransaction_TakesThemAll()
    {
        var next = LeaseViewBuilder.Apply(Snapshot(10), Batch(Put("10.5.1.0-24", ValueA, 11), Put("10.5.2.0-24", ValueB, 11)), Prefix);

        Assert.Equal((11L, 2), (next.Revision, next.Leases.Count));
    }

    [Fact]
    public void FromSaved_OfAnOldView_IsProvisional()
    {
        var view = LeaseViewBuilder.FromSaved(new Dictionary<string, string> { ["10.5.1.0-24"] = ValueA, ["bad"] = ValueB });

        Assert.Equal((0L, true, true), (view.Revision, view.IsComplete, view.IsProvisional));
        Assert.Equal(0L, Assert.Single(view.Leases).Value.ModRevision);
        Assert.Equal("bad", Assert.Single(view.Rejected).Key);
    }

    // However changes are cut into batches, and even if some come twice, the view is that of a fresh snapshot.
    [Fact]
    public void Apply_OfAnyHistoryInAnyBatches_EndsWhereASnapshotWould() => Rounds.Run(500, random =>
    {
        var store = new SortedDictionary<string, EtcdEntry>(StringComparer.Ordinal);
        var history = new List<EtcdWatchEvent>();
        for (var revision = 1L; revision <= 60; revision++)
        {
            var name = random.Pick(["10.5.1.0-24", "10.5.2.0-24", "10.5.3.0-24", "10.5.3.1-24", "poison"]);
            var change = random.Percent(30)
                ? Delete(name, revision)
                : Put(name, random.Pick([ValueA, ValueB, "{", """{"BackendType":"\ud800"}"""]), revision, random.Next(3));
            if (change.Kind == EtcdWatchEventKind.Delete && !store.Remove(change.Entry.Key))
                continue;
            if (change.Kind == EtcdWatchEventKind.Put)
                store[change.Entry.Key] = change.Entry;
            history.Add(change);
        }

        var start = random.Next(history.Count);
        var at = history.Take(start).GroupBy(e => e.Entry.Key).Select(g => g.Last()).Where(e => e.Kind == EtcdWatchEventKind.Put).Select(e => e.Entry);
        var view = LeaseViewBuilder.FromSnapshot(new EtcdRange(start == 0 ? 0 : history[start - 1].Entry.ModRevision, [.. at]), Prefix);
        for (var next = Math.Max(0, start - random.Next(4)); next < history.Count;)
        {
            var size = Math.Min(random.Next(1, 9), history.Count - next);
            view = LeaseViewBuilder.Apply(view, new EtcdWatchBatch(999, history.GetRange(next, size)), Prefix);
            next += size;
        }

        var fresh = LeaseViewBuilder.FromSnapshot(new EtcdRange(history[^1].Entry.ModRevision, [.. store.Values]), Prefix);
        Assert.Equal(fresh.Revision, view.Revision);
        Assert.Equal(fresh.Leases, view.Leases);
        Assert.Equal(fresh.Rejected, view.Rejected);
    });

    private static LeaseView Snapshot(long revision, params (string Name, string Value)[] entries) =>
        LeaseViewBuilder.FromSnapshot(new EtcdRange(revision, [.. entries.Select(e => Entry(e.Name, e.Value, revision, 0))]), Prefix);

    private static EtcdWatchBatch Batch(params EtcdWatchEvent[] events) => new(events[^1].Entry.ModRevision, events);

    private static EtcdWatchEvent Put(string name, string value, long revision, long etcdLease = 0) =>
        new(EtcdWatchEventKind.Put, Entry(name, value, revision, etcdLease), null);

    private static EtcdWatchEvent Delete(string name, long revision) =>
        new(EtcdWatchEventKind.Delete, new EtcdEntry(Prefix + name, "", 0, revision, 0, 0), null);

    private static EtcdEntry Entry(string name, string value, long revision, long etcdLease) =>
        new(Prefix + name, value, revision, revision, 1, etcdLease);
}
