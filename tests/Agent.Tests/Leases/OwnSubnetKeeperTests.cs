using System.Net;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Leases;
using Accelerated.Agent.State;
using Accelerated.Agent.Tests.Etcd;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>Keeping a subnet whatever happens to etcd, with registry and keeper running as in the agent.</summary>
public sealed class OwnSubnetKeeperTests : IAsyncLifetime
{
    private const string Me = "192.0.2.1";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private EtcdProcess _etcd = null!;
    private LeaseRig _rig = null!;
    private ObservedClient _operator = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _etcd = await EtcdProcess.StartAsync();
        _rig = new LeaseRig(_etcd, LeaseRig.NewPlan());
        _operator = _rig.NewClient();
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    [Theory]
    [InlineData(60, 7.2, 8.8)] // A third of the 24 hours, jittered.
    [InlineData(23 * 60, 1, 1)] // The margin the operator asked for comes first.
    [InlineData(1, 7.2, 8.8)]
    [InlineData((24 * 60) - 1, 1 / 60.0, 1 / 60.0)]
    [InlineData(20 * 60, 4, 4)]
    public async Task Keep_OfALease_RenewsInTime(int marginMinutes, double fromHours, double toHours)
    {
        var node = await _rig.StartNodeAsync(Me, TimeSpan.FromMinutes(marginMinutes));

        await Wait.UntilAsync(() => Task.FromResult(node.Time.NextDue is not null), Limit, "the keeper waits");
        Assert.InRange(node.Time.NextDue!.Value.TotalHours, fromHours, toHours);
        node.Time.Advance(node.Time.NextDue.Value);
        await Wait.UntilAsync(() => Task.FromResult(Renewals(node) == 1), Limit, "a sign of life");
    }

    // flannel grants and puts anew, and every node of the network hears of it.
    [Fact]
    public async Task Keep_OverDays_IsSeenByNobody()
    {
        var node = await _rig.StartNodeAsync(Me);
        var before = node.Own;
        await using var watch = _operator.WatchAsync(_rig.Prefix, 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await watch.MoveNextAsync()); // etcd has confirmed it.

        for (var renewal = 1; renewal <= 9; renewal++)
        {
            await Wait.UntilAsync(() => Task.FromResult(node.Time.NextDue is not null), Limit, "the keeper waits");
            node.Time.Advance(TimeSpan.FromHours(9));
            await Wait.UntilAsync(() => Task.FromResult(Renewals(node) >= renewal), Limit, $"renewal {renewal}");
        }

        await _operator.PutAsync($"{_rig.Prefix}/sentinel", "", 0, Ct);
        var events = await Wait.EventsAsync(watch, 1);
        Assert.Equal($"{_rig.Prefix}/sentinel", Assert.Single(events).Entry.Key);
        Assert.Same(before, node.Own);
        node.AssertAlive();
    }

    [Fact]
    public async Task Keep_OfAKeyThatIsDeleted_TakesTheSameSubnetAgain()
    {
        var node = await _rig.StartNodeAsync(Me);
        var (before, name) = (node.Own, node.Own.Key.ToString());
        await KnownAsync(node);

        await _etcd.CtlAsync("del", _rig.Key(name));

        await Wait.UntilAsync(async () => await EntryAsync(name) is not null, Limit, "the key is back");
        await Wait.UntilAsync(() => Task.FromResult(node.Own.ModRevision > before.ModRevision), Limit, "the new lease is known");
        Assert.Equal(before.Key, node.Own.Key);
        Assert.Equal(before.Attributes, node.Own.Attributes);
        Assert.Equal((1, 0), (node.KeeperLog.Count(LeaseNode.Lost), node.KeeperLog.Count(LeaseNode.Moved)));
        node.AssertAlive();
    }

    [Fact]
    public async Task Keep_OfAnEtcdLeaseThatIsRevoked_TakesTheSameSubnetAgain()
    {
        var node = await _rig.StartNodeAsync(Me);
        var (before, name) = (node.Own, node.Own.Key.ToString());
        await KnownAsync(node);

        await _operator.RevokeAsync(before.EtcdLease, Ct);

        await Wait.UntilAsync(async () => (await EntryAsync(name))?.EtcdLease is > 0 and var lease && lease == node.Own.EtcdLease, Limit, "the key is back");
        Assert.NotEqual(before.EtcdLease, node.Own.EtcdLease);
        Assert.Equal(before.Key, node.Own.Key);
    }

    // A reservation is a key without a TTL. flannel's documentation promises that it lasts; its first renewal puts it under one.
    [Theory]
    [InlineData(false)]
    [InlineData(true)] // What an operator does to keep a running node's subnet for it.
    public async Task Keep_OfAReservation_LeavesItWithoutATtlForGood(bool whileItRuns)
    {
        if (!whileItRuns)
            await _operator.PutAsync(_rig.Key("10.5.77.0-24"), LeaseRig.Value(Me), 0, Ct);
        var node = await _rig.StartNodeAsync(Me);
        var (name, value) = (node.Own.Key.ToString(), node.Own.Attributes.ToJson());
        await KnownAsync(node);
        if (whileItRuns)
        {
            await _operator.PutAsync(_rig.Key(name), value, 0, Ct);
            await Wait.UntilAsync(() => Task.FromResult(node.Own.EtcdLease == 0), Limit, "the reservation is known");
        }

        var reserved = (await EntryAsync(name))!;
        node.Time.Advance(TimeSpan.FromDays(40));

        await _operator.PutAsync(_rig.Key("10.5.250.0-24"), LeaseRig.Value("192.0.2.7"), 0, Ct);
        await Wait.UntilAsync(() => Task.FromResult(node.Store.Current.Leases.Leases.ContainsKey("10.5.250.0-24")), Limit, "the new peer");
        Assert.Equal((reserved, 0L, value), ((await EntryAsync(name))!, node.Own.EtcdLease, node.Own.Attributes.ToJson()));
        Assert.Empty(node.Store.Current.Problems);
        node.AssertAlive();
    }

    [Fact]
    public async Task Keep_OfASubnetThatAnotherNodeTook_MovesAndSaysSo()
    {
        var node = await _rig.StartNodeAsync(Me);
        var before = node.Own;
        await KnownAsync(node);

        await _operator.PutAsync(_rig.Key(before.Key.ToString()), LeaseRig.Value("192.0.2.99"), 0, Ct);

        await Wait.UntilAsync(() => Task.FromResult(node.Own.Key != before.Key), Limit, "another subnet");
        await Wait.UntilAsync(() => Task.FromResult(node.KeeperLog.Count(LeaseNode.Moved) == 1), Limit, "a word about it");
        Assert.Equal(LeaseRig.Value("192.0.2.99"), (await EntryAsync(before.Key.ToString()))!.Value);
        Assert.Equal(node.Own.EtcdLease, (await EntryAsync(node.Own.Key.ToString()))!.EtcdLease);
    }

    // flannel on another host that has the same --public-ip puts blindly, with its own MAC and etcd lease.
    [Fact]
    public async Task Keep_OfAKeyThatAnotherWriterChangesTwiceInAnHour_StopsWritingAndNamesBoth()
    {
        var node = await _rig.StartNodeAsync(Me);
        var (before, name) = (node.Own, node.Own.Key.ToString());
        await KnownAsync(node);

        await IntrudeAsync(name);
        await Wait.UntilAsync(async () => (await EntryAsync(name))!.Value == before.Attributes.ToJson(), Limit, "the value this node had");
        await Wait.UntilAsync(() => Task.FromResult(node.Own.ModRevision > before.ModRevision), Limit, "the new lease is known");
        Assert.Empty(node.Store.Current.Problems);
        var (mine, writes) = (node.Own, node.Client.Writes());
        node.Time.Advance(TimeSpan.FromMinutes(59));
        await IntrudeAsync(name);
        await Wait.UntilAsync(() => Task.FromResult(node.Store.Current.Problems.ContainsKey(OwnSubnetKeeper.Disputed)), Limit, "the problem");

        // Whatever happens now: days pass, the other renews.
        node.Time.Advance(TimeSpan.FromHours(30));
        await IntrudeAsync(name);
        await Wait.UntilAsync(() => Task.FromResult(node.KeeperLog.Count(LeaseNode.Disputed) == 2), Limit, "a word about it");
        var problem = node.Store.Current.Problems[OwnSubnetKeeper.Disputed];
        Assert.Equal(ProblemSeverity.Critical, problem.Severity);
        Assert.Contains($"PublicIP {Me}", problem.Message, StringComparison.Ordinal);
        Assert.Contains("its VTEP MAC is 02:00:00:00:00:99", problem.Message, StringComparison.Ordinal);
        Assert.Contains($"this node's {before.Attributes.Vtep!.Mac}", problem.Message, StringComparison.Ordinal);
        Assert.Equal($"give one of the two another --public-ip or --iface and restart it, then etcdctl del {_rig.Key(name)}: this node takes it again", problem.Remedy);
        Assert.Equal(writes, node.Client.Writes());
        Assert.Same(mine, node.Own); // The data plane carries on.
        Assert.Equal(LeaseRig.Value(Me), (await EntryAsync(name))!.Value);

        // The other node is given another address, and its key goes.
        await _etcd.CtlAsync("del", _rig.Key(name));
        await Wait.UntilAsync(async () => (await EntryAsync(name))?.Value == before.Attributes.ToJson(), Limit, "the key is ours again");
        await Wait.UntilAsync(() => Task.FromResult(node.Store.Current.Problems.IsEmpty), Limit, "the problem is gone");
        node.AssertAlive();
    }

    [Fact]
    public async Task Keep_OfAKeyThatIsChangedOnceInAWhile_TakesItBackEachTime()
    {
        var node = await _rig.StartNodeAsync(Me);
        var (before, name) = (node.Own, node.Own.Key.ToString());
        await KnownAsync(node);

        for (var round = 0; round < 3; round++)
        {
            var last = node.Own.ModRevision;
            await IntrudeAsync(name);
            await Wait.UntilAsync(() => Task.FromResult(node.Own.ModRevision > last), Limit, "taken back");
            node.Time.Advance(TimeSpan.FromMinutes(61));
        }

        Assert.Equal(before.Attributes.ToJson(), (await EntryAsync(name))!.Value);
        Assert.Empty(node.Store.Current.Problems);
        node.AssertAlive();
    }

    [Fact]
    public async Task Keep_ByTwoNodesWithOnePublicIP_TheSecondStandsBackAndTheFirstGoesOn()
    {
        var first = await _rig.StartNodeAsync(Me);
        await KnownAsync(first);
        var second = await _rig.StartNodeAsync(Me, isOurs: false);

        await Wait.UntilAsync(() => Task.FromResult(second.Store.Current.Problems.ContainsKey(OwnSubnetKeeper.Disputed)), Limit, "the problem");

        Assert.Equal(first.Own.Key, second.Own.Key);
        Assert.DoesNotContain(OwnSubnetKeeper.Disputed, first.Store.Current.Problems.Keys);
        var (entry, writes) = ((await EntryAsync(first.Own.Key.ToString()))!, (first.Client.Writes(), second.Client.Writes()));
        await Wait.UntilAsync(() => Task.FromResult(first.Own.ModRevision == entry.ModRevision), Limit, "the first knows its lease");
        Assert.Equal(first.Own.EtcdLease, entry.EtcdLease);
        first.Time.Advance(TimeSpan.FromHours(9));
        second.Time.Advance(TimeSpan.FromHours(9));
        await Wait.UntilAsync(() => Task.FromResult(Renewals(first) >= 1), Limit, "a sign of life");
        Assert.Equal(writes, (first.Client.Writes(), second.Client.Writes()));
        Assert.Equal(0, Renewals(second));
        Assert.Equal(entry.ModRevision, (await EntryAsync(first.Own.Key.ToString()))!.ModRevision);
        first.AssertAlive();
        second.AssertAlive();
    }

    // The remedy for two nodes with one PublicIP, without a restart: the second's interface gets an address of its own.
    [Fact]
    public async Task Keep_OfADisputedSubnet_UnderAnotherPublicIP_LeavesItToTheFirst()
    {
        var first = await _rig.StartNodeAsync(Me);
        await KnownAsync(first);
        var second = await _rig.StartNodeAsync(Me, isOurs: false);
        await Wait.UntilAsync(() => Task.FromResult(second.Store.Current.Problems.ContainsKey(OwnSubnetKeeper.Disputed)), Limit, "the problem");
        var before = (await EntryAsync(first.Own.Key.ToString()))!;

        Readdress(second);

        await Wait.UntilAsync(() => Task.FromResult(second.KeeperLog.Count(LeaseNode.GivenUp) == 1), Limit, "a word about it");
        await Wait.UntilAsync(() => Task.FromResult(second.Store.Current.Problems.IsEmpty), Limit, "the problem is gone");
        Assert.NotEqual(first.Own.Key, second.Own.Key);
        Assert.NotEqual(first.Own.Attributes.Vtep!.Mac, second.Own.Attributes.Vtep!.Mac);
        Assert.Equal("192.0.2.2", second.Own.Attributes.PublicIP!.ToString());
        Assert.Equal(before, await EntryAsync(first.Own.Key.ToString()));
        Assert.Equal((0, 0), (second.KeeperLog.Count(LeaseNode.Moved), first.KeeperLog.Count(LeaseNode.Moved)));
        first.AssertAlive();
        second.AssertAlive();
    }

    // The other one is away and cannot be asked: what was written in its place goes too.
    [Fact]
    public async Task Keep_OfASubnetThatWasJustClaimed_UnderAnotherPublicIP_LeavesItFree()
    {
        var node = await ClaimantAsync();

        Readdress(node);

        await Wait.UntilAsync(async () => await EntryAsync("10.5.77.0-24") is null, Limit, "the key is gone");
        await Wait.UntilAsync(() => Task.FromResult(node.Own.Key.ToString() != "10.5.77.0-24"), Limit, "another subnet");
        Assert.NotEqual("02:00:00:00:00:99", node.Own.Attributes.Vtep!.Mac.ToString());
        node.AssertAlive();
    }

    // Nobody answered: it is the same machine as ever, with a new disk, and now it moves.
    [Fact]
    public async Task Keep_OfASubnetThatWasClaimedLongAgo_UnderAnotherPublicIP_KeepsIt()
    {
        var node = await ClaimantAsync();

        node.Time.Advance(TimeSpan.FromMinutes(61));
        Readdress(node);

        await Wait.UntilAsync(() => Task.FromResult(node.Own.Attributes.PublicIP!.ToString() == "192.0.2.2"), Limit, "the new address");
        Assert.Equal(("10.5.77.0-24", "02:00:00:00:00:99"), (node.Own.Key.ToString(), node.Own.Attributes.Vtep!.Mac.ToString()));
        node.AssertAlive();
    }

    [Fact]
    public async Task Keep_BesideACopyOfTheMachine_TheCopyStandsBackAndTheOriginalGoesOn()
    {
        var original = await _rig.StartNodeAsync(Me);
        await KnownAsync(original);
        var copy = await _rig.StartNodeAsync("192.0.2.77", held: original.Own);

        await Wait.UntilAsync(() => Task.FromResult(copy.Store.Current.Problems.ContainsKey(OwnSubnetKeeper.Disputed)), Limit, "the problem");

        var entry = (await EntryAsync(original.Own.Key.ToString()))!;
        Assert.Equal(original.Own.Attributes.ToJson(), entry.Value);
        Assert.Contains($"\"{Me}\"", entry.Value, StringComparison.Ordinal);
        Assert.DoesNotContain(OwnSubnetKeeper.Disputed, original.Store.Current.Problems.Keys);
        var problem = copy.Store.Current.Problems[OwnSubnetKeeper.Disputed];
        Assert.Contains($"the node {Me} has this node's etcd lease, as a copy of this machine would have", problem.Message, StringComparison.Ordinal);
        Assert.Contains("--state-dir", problem.Remedy, StringComparison.Ordinal);
        original.AssertAlive();
        copy.AssertAlive();
    }

    [Fact]
    public async Task Keep_InAFullNetwork_ReportsItAndAsksAgain()
    {
        await using var rig = new LeaseRig(_etcd, LeaseRig.NewPlan(max: "10.5.3.0"));
        var node = await rig.StartNodeAsync(Me);
        var name = node.Own.Key.ToString();
        await KnownAsync(node);

        foreach (var other in new[] { "10.5.1.0-24", "10.5.2.0-24", "10.5.3.0-24" }.OrderBy(n => n == name))
            await _operator.PutAsync(rig.Key(other), LeaseRig.Value("192.0.2.99"), 0, Ct);
        await Wait.UntilAsync(() => Task.FromResult(node.Store.Current.Problems.ContainsKey(OwnSubnetKeeper.NetworkFull)), Limit, "the problem");
        Assert.Equal(name, node.Own.Key.ToString()); // The data plane carries on with what it had.

        await _operator.DeleteAsync(rig.Key("10.5.2.0-24"), Ct);
        await Wait.UntilAsync(
            () =>
            {
                node.Time.Advance(TimeSpan.FromSeconds(5));
                return Task.FromResult(node.Own.Key.ToString() == "10.5.2.0-24" && node.Own.Attributes.PublicIP!.ToString() == Me);
            },
            Limit, "the freed subnet");
        await Wait.UntilAsync(() => Task.FromResult(node.Store.Current.Problems.IsEmpty), Limit, "the problem is gone");
        node.AssertAlive();
    }

    [Fact]
    public async Task Keep_WhileEtcdRestarts_LosesNothingAndSaysSoOnce()
    {
        var node = await _rig.StartNodeAsync(Me);
        var before = node.Own;
        await KnownAsync(node);

        _etcd.Kill();
        await Wait.UntilAsync(() => Task.FromResult(node.SessionLog.Count(LeaseNode.Disconnected) == 1), Limit, "one line: down");
        Assert.Contains(EtcdSession.Unreachable, node.Store.Current.Problems.Keys);
        Assert.NotEmpty(node.Store.Current.Leases.Leases); // The data plane carries on.
        await _etcd.RestartAsync();
        await Wait.UntilAsync(() => Task.FromResult(node.SessionLog.Count(LeaseNode.Connected) == 2), Limit, "one line: up");

        // Changes arrive again, and the keeper can reach etcd.
        await _operator.PutAsync(_rig.Key("10.5.250.0-24"), LeaseRig.Value("192.0.2.7"), 0, Ct);
        await Wait.UntilAsync(() => Task.FromResult(node.Store.Current.Leases.Leases.ContainsKey("10.5.250.0-24")), Limit, "the new peer");
        var renewals = Renewals(node);
        node.Time.Advance(TimeSpan.FromHours(9));
        await Wait.UntilAsync(() => Task.FromResult(Renewals(node) > renewals), Limit, "a sign of life");
        Assert.Equal((2, 1, 0),
            (node.SessionLog.Count(LeaseNode.Connected), node.SessionLog.Count(LeaseNode.Disconnected), node.KeeperLog.Count(LeaseNode.Lost)));
        Assert.Same(before, node.Own);
    }

    // Restored from nothing, or from a backup older than the lease: revisions begin again below those that are known.
    [Fact]
    public async Task Keep_AfterEtcdLostItsData_ClaimsTheSubnetAtOnce()
    {
        for (var i = 0; i < 20; i++)
            await _operator.PutAsync("/earlier", "", 0, Ct); // A history that the new etcd does not reach.
        var node = await _rig.StartNodeAsync(Me);
        var before = node.Own;
        await KnownAsync(node);

        _etcd.Kill();
        Directory.Delete(Path.Combine(_etcd.Directory, "data"), recursive: true);
        await _etcd.RestartAsync();

        await Wait.UntilAsync(async () => await EntryAsync(before.Key.ToString()) is not null, Limit, "the key is there");
        await Wait.UntilAsync(() => Task.FromResult(node.Own.EtcdLease != before.EtcdLease), Limit, "the new lease is known");
        Assert.Equal((before.Key, before.Attributes), (node.Own.Key, node.Own.Attributes));
        Assert.True(node.Own.ModRevision < before.ModRevision);
        node.AssertAlive();
    }

    /// <summary>A node that found a lease with its PublicIP, of which nothing else says that it is its own.</summary>
    private async Task<LeaseNode> ClaimantAsync()
    {
        await IntrudeAsync("10.5.77.0-24");
        var node = await _rig.StartNodeAsync(Me, isOurs: false);
        await KnownAsync(node);
        return node;
    }

    /// <summary>As the reconcile loop says it when it finds another address on the underlay.</summary>
    private static void Readdress(LeaseNode node) =>
        node.Store.Update(i => i with { PublicIP = IPAddress.Parse("192.0.2.2"), Config = NetworkConfigParser.Parse(NetworkConfigParser.Example) });

    private async Task IntrudeAsync(string name)
    {
        var grant = await _operator.GrantAsync(LeaseRig.Ttl, Ct);
        await _operator.PutAsync(_rig.Key(name), LeaseRig.Value(Me), grant.Id, Ct);
    }

    private static int Renewals(LeaseNode node) => node.Client.Calls(nameof(IEtcdClient.KeepAliveAsync));

    /// <summary>The registry has the node's own lease: from here on its loss is seen.</summary>
    private static Task KnownAsync(LeaseNode node) => Wait.UntilAsync(
        () => Task.FromResult(node.Store.Current.Leases.Leases.ContainsKey(node.Own.Key.ToString())), Limit, "the own lease in the view");

    private async Task<EtcdEntry?> EntryAsync(string name) => (await _operator.GetAsync(_rig.Key(name), Ct)).Entries.SingleOrDefault();
}
