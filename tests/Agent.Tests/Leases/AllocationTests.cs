using Accelerated.Agent.Etcd;
using Accelerated.Agent.State;
using Accelerated.Agent.Tests.Etcd;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>Any number of our nodes beside any number of flannel's at a real etcd.</summary>
public sealed class AllocationTests(EtcdServer server, ITestOutputHelper output) : IClassFixture<EtcdServer>
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    // The order of all calls to etcd is the seed's.
    [Fact]
    public async Task Acquire_BesideFlannelInAnyOrder_NeverOverlapsAndTakesNothingFromAnyone()
    {
        var (full, acquired, races) = (0, 0, 0);
        var rounds = await Rounds.RunAsync(120, async random =>
        {
            await using var rig = new LeaseRig(server.Process, AllocationRound.NewPlan(random));
            var round = new AllocationRound(rig, random);
            await round.RunAsync();
            (full, acquired, races) = (full + round.Count.Full, acquired + round.Count.Acquired, races + round.Count.Races);
        });

        Assert.True(rounds == 1 || (races > 0 && full > 0), "no race was lost, or no network was full: this test does not test");
        output.WriteLine($"measured: {acquired} times a subnet was acquired, {races} times after a lost race, {full} times the network was full");
    }

    // Registry and keeper as in the agent, all at once; what happens is the seed's, when is not.
    [Fact]
    public async Task Keep_BesideFlannelWhileLeasesAreTakenAway_EndsWithASubnetForEach() => await Rounds.RunAsync(8, async random =>
    {
        await using var rig = new LeaseRig(server.Process, LeaseRig.NewPlan(max: "10.5.9.0"));
        var etcd = rig.NewClient();
        var first = await etcd.PutAsync(rig.Key("first"), "", 0, Ct);
        var ours = await Task.WhenAll(Enumerable.Range(1, 4).Select(i => rig.StartNodeAsync($"192.0.2.{i}")));
        var flannels = Enumerable.Range(101, 3).Select(i => new FlannelNode($"192.0.2.{i}", rig.Plan, rig.Prefix, rig.NewClient(), new Random(random.Next()))).ToList();
        await Task.WhenAll(flannels.Select(f => f.StartAsync(Ct)));

        for (var step = 0; step < 15; step++)
        {
            var flannel = random.Pick(flannels);
            await Task.WhenAll(TakeAwayAsync(etcd, rig, random), flannel.Held is null || random.Percent(30) ? flannel.StartAsync(Ct) : flannel.RenewAsync(Ct));
        }

        await Wait.UntilAsync(
            async () =>
            {
                var entries = (await etcd.ListAsync(rig.Key(""), Ct)).Entries;
                return Array.TrueForAll(ours, n => entries.Any(e =>
                    e.Key == rig.Key(n.Own.Key.ToString()) && e.EtcdLease == n.Own.EtcdLease && e.Value == n.Own.Attributes.ToJson()));
            },
            Limit, "each node's own lease in etcd");
        Assert.Distinct(ours.Select(n => n.Own.Key));
        await AssertNothingTakenAsync(etcd, rig, first);
        Assert.All(ours, n => n.AssertAlive());
    });

    /// <summary>An operator deletes a key, or an etcd lease ends.</summary>
    private static async Task TakeAwayAsync(ObservedClient etcd, LeaseRig rig, Random random)
    {
        var entry = random.Pick((await etcd.ListAsync(rig.Key("10."), Ct)).Entries);
        if (random.Percent(50))
            await etcd.RevokeAsync(entry.EtcdLease, Ct);
        else
            await etcd.DeleteAsync(entry.Key, Ct);
    }

    /// <summary>Reads all that was ever written: only flannel, which puts without looking, may have put over another's lease.</summary>
    private static async Task AssertNothingTakenAsync(ObservedClient etcd, LeaseRig rig, long first)
    {
        var last = rig.Key("last");
        await etcd.PutAsync(last, "", 0, Ct);
        var owners = new Dictionary<string, string?>(StringComparer.Ordinal);
        await foreach (var batch in etcd.WatchAsync(rig.Key(""), first + 1, Ct))
        {
            foreach (var change in batch.Events)
            {
                if (change.Entry.Key == last)
                    return;
                var before = owners.GetValueOrDefault(change.Entry.Key);
                owners.Remove(change.Entry.Key);
                if (change.Kind == EtcdWatchEventKind.Delete)
                    continue;
                Assert.True(SubnetAttributes.TryParse(change.Entry.Value, out var attributes, out var error), error);
                var owner = attributes.PublicIP!.ToString();
                Assert.True(before is null || before == owner || owner.StartsWith("192.0.2.10", StringComparison.Ordinal), $"{owner} took {change.Entry.Key} from {before}");
                owners.Add(change.Entry.Key, owner);
            }
        }
    }
}
