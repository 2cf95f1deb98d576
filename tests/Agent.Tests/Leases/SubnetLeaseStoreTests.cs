using System.Globalization;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Leases;
using Accelerated.Agent.State;
using Accelerated.Interop;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>Acquiring a subnet in a real etcd, every way there is.</summary>
public sealed class SubnetLeaseStoreTests : IClassFixture<EtcdServer>, IAsyncDisposable
{
    private const string Me = "192.0.2.1";
    private const string Other = "192.0.2.2";

    private readonly LeaseRig _rig;
    private readonly ObservedClient _client;
    private readonly SubnetLeaseStore _store;

    public SubnetLeaseStoreTests(EtcdServer server)
    {
        _rig = new LeaseRig(server.Process, LeaseRig.NewPlan());
        _client = _rig.NewClient();
        _store = _rig.NewStore(_client);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Acquire_InAnEmptyNetwork_WritesALeaseAsFlannelDoes()
    {
        var acquired = await _store.AcquireAsync(_rig.Request(Me), Ct);

        Assert.Equal(("new lease", LeaseRig.Ttl), (acquired.How, acquired.Ttl!.Value));
        var entry = await EntryAsync(acquired.Lease.Key.ToString());
        Assert.Matches("""^\{"PublicIP":"192\.0\.2\.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":\{"VNI":1,"VtepMAC":"[0-9a-f:]{17}"\}\}$""", entry.Value);
        Assert.Equal((acquired.Lease.ModRevision, acquired.Lease.EtcdLease, 1L), (entry.ModRevision, entry.EtcdLease, entry.Version));
        Assert.Equal(entry.Value, acquired.Lease.Attributes.ToJson());
        Assert.True(_rig.Plan.Fits(acquired.Lease.Key.IPv4));
        Assert.InRange((await _client.TimeToLiveAsync(entry.EtcdLease, Ct))!.Value, TimeSpan.FromHours(23), LeaseRig.Ttl);
    }

    [Fact]
    public async Task Acquire_AfterARestart_AdoptsTheLeaseWithoutAWrite()
    {
        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);
        var writes = _client.Writes();

        var again = await _store.AcquireAsync(_rig.Request(Me, previous: "10.5.77.0/24"), Ct);

        Assert.Equal(("own lease, unchanged", LeaseRig.Ttl), (again.How, again.Ttl!.Value));
        Assert.Equal(first.Lease, again.Lease);
        Assert.Equal(writes, _client.Writes());
        Assert.Equal(first.Lease.ModRevision, (await EntryAsync(first.Lease.Key.ToString())).ModRevision);
        Assert.Equal(1, _client.Calls(nameof(IEtcdClient.KeepAliveAsync)));
    }

    [Fact]
    public async Task Acquire_OfALeaseThatNothingSaysIsOurs_ClaimsItByAWriteUnderAnEtcdLeaseOfItsOwn()
    {
        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);

        var again = await _store.AcquireAsync(_rig.Request(Me) with { IsOurs = l => l.EtcdLease != first.Lease.EtcdLease }, Ct);

        Assert.Equal(("own lease, claimed by a write", true, false), (again.How, again.IsClaim, first.IsClaim));
        var entry = await EntryAsync(first.Lease.Key.ToString());
        Assert.Equal((2L, again.Lease.EtcdLease, first.Lease.Attributes.ToJson()), (entry.Version, entry.EtcdLease, entry.Value));
        Assert.NotEqual(first.Lease.EtcdLease, entry.EtcdLease);

        // The other answers, and this node was started again: what it has written down is its own etcd lease.
        await _client.PutAsync(_rig.Key(first.Lease.Key.ToString()), entry.Value, first.Lease.EtcdLease, Ct);
        var third = await _store.AcquireAsync(_rig.Request(Me) with { IsOurs = _ => false, Held = again.Lease }, Ct);
        Assert.Equal((again.Lease.EtcdLease, true), (third.Lease.EtcdLease, third.IsClaim));
        await _client.PutAsync(_rig.Key(first.Lease.Key.ToString()), entry.Value, first.Lease.EtcdLease, Ct);
        await _client.RevokeAsync(again.Lease.EtcdLease, Ct);
        var fourth = await _store.AcquireAsync(_rig.Request(Me) with { IsOurs = _ => false, Held = again.Lease }, Ct);
        Assert.DoesNotContain(fourth.Lease.EtcdLease, new[] { 0, first.Lease.EtcdLease, again.Lease.EtcdLease });
    }

    [Fact]
    public async Task Acquire_OfTheLeaseItHolds_PutsRightWhatSomebodyWroteIntoIt()
    {
        var first = (await _store.AcquireAsync(_rig.Request(Me), Ct)).Lease;
        await _client.PutAsync(_rig.Key(first.Key.ToString()), LeaseRig.Value(Me, mac: "02:00:00:00:03:13"), first.EtcdLease, Ct);

        var again = await _store.AcquireAsync(_rig.Request(Me) with { Held = first }, Ct);

        Assert.Equal(first.Attributes, again.Lease.Attributes);
        var entry = await EntryAsync(first.Key.ToString());
        Assert.Equal((first.EtcdLease, first.Attributes.ToJson()), (entry.EtcdLease, entry.Value));
    }

    [Fact]
    public async Task Acquire_OfALeaseThatIsGone_KeepsTheMacPeersKnow()
    {
        var first = (await _store.AcquireAsync(_rig.Request(Me), Ct)).Lease;
        var mine = first with { Attributes = first.Attributes with { Vtep = new VtepData(1, MacAddress.Parse("02:00:00:00:00:42")) } };
        await _client.DeleteAsync(_rig.Key(first.Key.ToString()), Ct);

        var again = await _store.AcquireAsync(_rig.Request(Me, previous: "10.5.77.0/24") with { Held = mine }, Ct);

        Assert.Equal(("10.5.77.0-24", "02:00:00:00:00:42"), (again.Lease.Key.ToString(), again.Lease.Attributes.Vtep!.Mac.ToString()));
    }

    // By the time it gets there, the key of what it gives up may be anybody's, or gone.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Acquire_OfANodeThatGivesALeaseUp_TakesNeitherItsSubnetNorItsMacAndRevokesIt(bool isThere)
    {
        await using var rig = new LeaseRig(_rig.Etcd, LeaseRig.NewPlan(max: "10.5.2.0"));
        var (client, store) = (rig.NewClient(), rig.NewStore(rig.NewClient()));
        var claimed = (await store.AcquireAsync(rig.Request(Other, previous: "10.5.1.0/24"), Ct)).Lease;
        if (!isThere)
            await client.DeleteAsync(rig.Key(claimed.Key.ToString()), Ct);
        // As a device has it that was made for the other's lease.
        var plain = rig.Request(Me, previous: "10.5.1.0/24");

        var acquired = await store.AcquireAsync(plain with { GivenUp = claimed, Attributes = _ => plain.Attributes(claimed.Attributes) }, Ct);

        Assert.Equal("10.5.2.0-24", acquired.Lease.Key.ToString());
        Assert.NotEqual(claimed.Attributes.Vtep!.Mac, acquired.Lease.Attributes.Vtep!.Mac);
        Assert.Equal([acquired.Lease.Key.ToString()], (await store.ListAsync(Ct)).Leases.Keys);
        Assert.Null(await client.TimeToLiveAsync(claimed.EtcdLease, Ct));
    }

    // A node that lost its subnet to one that has its MAC, whosever it was: derived again it would be the same.
    [Fact]
    public async Task Acquire_WhereAnotherHasTheMacThatIsDerived_TakesYetAnother()
    {
        var mac = (await _store.AcquireAsync(_rig.Request(Me, previous: "10.5.1.0/24"), Ct)).Lease.Attributes.Vtep!.Mac;
        await _client.PutAsync(_rig.Key("10.5.1.0-24"), LeaseRig.Value(Other, mac.ToString()), 0, Ct);

        var again = (await _store.AcquireAsync(_rig.Request(Me), Ct)).Lease.Attributes.Vtep!.Mac;

        Assert.NotEqual(mac, again);
        Assert.True(again.IsUnicast && again.IsLocallyAdministered, again.ToString());
    }

    [Fact]
    public async Task Acquire_OfAReservationThatNothingSaysIsOurs_LeavesItAsItIs()
    {
        await _client.PutAsync(_rig.Key("10.5.60.0-24"), LeaseRig.Value(Me), 0, Ct);
        var writes = _client.Writes();

        var acquired = await _store.AcquireAsync(_rig.Request(Me) with { IsOurs = _ => false }, Ct);

        Assert.Equal(("own reservation, unchanged", false, writes), (acquired.How, acquired.IsClaim, _client.Writes()));
    }

    [Fact]
    public async Task Acquire_WithAChangedValue_RewritesItUnderTheSameEtcdLease()
    {
        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);

        var again = await _store.AcquireAsync(_rig.Request(Me, vni: 7), Ct);

        Assert.Equal("own lease, value renewed", again.How);
        var entry = await EntryAsync(first.Lease.Key.ToString());
        Assert.Equal((2L, first.Lease.EtcdLease, again.Lease.ModRevision), (entry.Version, entry.EtcdLease, entry.ModRevision));
        Assert.Equal(again.Lease.Attributes.ToJson(), entry.Value);
        Assert.Equal(7u, again.Lease.Attributes.Vtep!.Vni);
        Assert.Equal(first.Lease.Attributes.Vtep!.Mac, again.Lease.Attributes.Vtep.Mac); // Peers may keep their entries.
    }

    [Fact]
    public async Task Acquire_OfAFlannelNodesLease_KeepsSubnetMacAndEtcdLease()
    {
        var grant = await _client.GrantAsync(TimeSpan.FromHours(24), Ct);
        var value = Fixtures.Leases("vxlan").Single(l => l.Name == "10.5.60.0-24").Value;
        var revision = await _client.PutAsync(_rig.Key("10.5.60.0-24"), value, grant.Id, Ct);

        var acquired = await _store.AcquireAsync(_rig.Request(Me), Ct);

        Assert.Equal("own lease, unchanged", acquired.How);
        Assert.Equal((revision, grant.Id, value), await InShortAsync("10.5.60.0-24"));
        Assert.Equal("76:19:b2:0f:7d:a4", acquired.Lease.Attributes.Vtep!.Mac.ToString());
    }

    [Fact]
    public async Task Acquire_WithAFreePreviousSubnet_TakesItAgain()
    {
        var acquired = await _store.AcquireAsync(_rig.Request(Me, previous: "10.5.200.0/24"), Ct);

        Assert.Equal(("10.5.200.0-24", "the previous subnet, leased again"), (acquired.Lease.Key.ToString(), acquired.How));
    }

    [Theory]
    [InlineData("10.5.200.0-24")]
    [InlineData("10.5.200.128-25")]
    [InlineData("10.5.192.0-20")]
    public async Task Acquire_WithAPreviousSubnetInUse_TakesAnother(string taken)
    {
        await _client.PutAsync(_rig.Key(taken), LeaseRig.Value(Other), 0, Ct);

        var acquired = await _store.AcquireAsync(_rig.Request(Me, previous: "10.5.200.0/24"), Ct);

        Assert.Equal("new lease", acquired.How);
        Assert.NotEqual("10.5.200.0-24", acquired.Lease.Key.ToString());
    }

    [Theory]
    [InlineData("10.5.200.0/25")]
    [InlineData("10.6.200.0/24")]
    [InlineData("10.5.0.0/24")] // Below SubnetMin.
    public async Task Acquire_WithAPreviousSubnetOfAnotherPlan_TakesAnother(string previous) =>
        Assert.Equal("new lease", (await _store.AcquireAsync(_rig.Request(Me, previous), Ct)).How);

    [Fact]
    public async Task Acquire_WithSeveralOwnLeases_PrefersThePreviousOne()
    {
        foreach (var name in new[] { "10.5.7.0-24", "10.5.8.0-24", "10.5.9.0-24" })
            await _client.PutAsync(_rig.Key(name), LeaseRig.Value(Me), 0, Ct);

        Assert.Equal("10.5.8.0-24", (await _store.AcquireAsync(_rig.Request(Me, previous: "10.5.8.0/24"), Ct)).Lease.Key.ToString());
    }

    [Fact]
    public async Task Acquire_WithOwnLeasesThatDoNotFit_DeletesThoseAndNoOthers()
    {
        string[] misfits = ["10.5.16.0-20", "10.6.1.0-24", "10.5.0.0-24", "10.5.9.0-24&fd00:42:0:3d::-64"];
        foreach (var name in misfits)
            await _client.PutAsync(_rig.Key(name), LeaseRig.Value(Me), 0, Ct);
        await _client.PutAsync(_rig.Key("10.5.32.0-20"), LeaseRig.Value(Other), 0, Ct);

        var acquired = await _store.AcquireAsync(_rig.Request(Me), Ct);

        Assert.Equal("new lease", acquired.How);
        Assert.Equal(
            new[] { "10.5.32.0-20", acquired.Lease.Key.ToString() }.Order(StringComparer.Ordinal),
            (await _store.ListAsync(Ct)).Leases.Keys);
    }

    // flannel's documentation promises reservations; its code breaks them at the first start.
    [Fact]
    public async Task Acquire_OfAReservation_KeepsItWithoutATtl()
    {
        await _client.PutAsync(_rig.Key("10.5.77.0-24"), $$"""{"PublicIP":"{{Me}}"}""", 0, Ct);

        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);
        Assert.Equal(("10.5.77.0-24", "own reservation, value renewed"), (first.Lease.Key.ToString(), first.How));
        Assert.Null(first.Ttl);
        Assert.Equal((first.Lease.ModRevision, 0L, first.Lease.Attributes.ToJson()), await InShortAsync("10.5.77.0-24"));

        var again = await _store.AcquireAsync(_rig.Request(Me), Ct);
        Assert.Equal("own reservation, unchanged", again.How);
        Assert.Null(again.Ttl);
        Assert.Equal(first.Lease, again.Lease);
        Assert.Equal(0, _client.Calls(nameof(IEtcdClient.GrantAsync)));
    }

    [Fact]
    public async Task Acquire_BesideKeysThatMeanNothing_LeavesThemAndTheirSubnetsAlone()
    {
        await using var rig = new LeaseRig(_rig.Etcd, LeaseRig.NewPlan(max: "10.5.3.0"));
        var client = rig.NewClient();
        await client.PutAsync(rig.Key("10.5.1.0-24"), "poison", 0, Ct);
        await client.PutAsync(rig.Key("10.5.2.0-24"), """{"BackendType":"\ud800"}""", 0, Ct);
        await client.PutAsync(rig.Key("not-a-subnet"), LeaseRig.Value(Me), 0, Ct);
        await client.PutAsync(rig.Key("10.5.3.1-24"), LeaseRig.Value(Me), 0, Ct); // Host bits: a second name for 10.5.3.0-24.

        var acquired = await rig.NewStore(client).AcquireAsync(rig.Request(Me), Ct);

        Assert.Equal("10.5.3.0-24", acquired.Lease.Key.ToString());
        Assert.Equal(1, client.Calls(nameof(IEtcdClient.TransactAsync))); // Not found by trial and error.
        await Assert.ThrowsAsync<NetworkFullException>(() => rig.NewStore(client).AcquireAsync(rig.Request(Other), Ct).WaitAsync(TimeSpan.FromSeconds(20), Ct));
        Assert.Equal("poison", (await client.GetAsync(rig.Key("10.5.1.0-24"), Ct)).Entries[0].Value);
        Assert.Equal(["10.5.1.0-24", "10.5.2.0-24", "10.5.3.1-24", "not-a-subnet"], (await rig.NewStore(client).ListAsync(Ct)).Rejected.Keys);
    }

    [Fact]
    public async Task Acquire_ThatLosesARace_TakesAnotherSubnetAndGivesItsEtcdLeaseBack()
    {
        var before = await EtcdLeasesAsync();
        _client.BeforeNext(nameof(IEtcdClient.TransactAsync), () => _client.PutAsync(_rig.Key("10.5.200.0-24"), LeaseRig.Value(Other), 0, Ct));

        var acquired = await _store.AcquireAsync(_rig.Request(Me, previous: "10.5.200.0/24"), Ct);

        Assert.NotEqual("10.5.200.0-24", acquired.Lease.Key.ToString());
        Assert.Equal(LeaseRig.Value(Other), (await EntryAsync("10.5.200.0-24")).Value);
        Assert.Equal(before.Append(acquired.Lease.EtcdLease).Order(), await EtcdLeasesAsync());
    }

    [Fact]
    public async Task Acquire_WhenItsLeaseEndsMeanwhile_AcquiresAnew()
    {
        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);
        _client.BeforeNext(nameof(IEtcdClient.KeepAliveAsync), () => _client.RevokeAsync(first.Lease.EtcdLease, Ct));

        var again = await _store.AcquireAsync(_rig.Request(Me, previous: first.Lease.Key.IPv4.ToString()), Ct);

        Assert.Equal((first.Lease.Key, "the previous subnet, leased again"), (again.Lease.Key, again.How));
        Assert.Equal(again.Lease.EtcdLease, (await EntryAsync(again.Lease.Key.ToString())).EtcdLease);
        Assert.DoesNotContain(first.Lease.EtcdLease, await EtcdLeasesAsync());
    }

    // The etcd lease is gone, the key is not: another etcd lease took its place between the look and the sign of life.
    [Fact]
    public async Task Acquire_WhenTheKeyOutlivesItsEtcdLease_ReadsItAgain()
    {
        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);
        var name = first.Lease.Key.ToString();
        var other = await _client.GrantAsync(LeaseRig.Ttl, Ct);
        _client.BeforeNext(nameof(IEtcdClient.KeepAliveAsync), async () =>
        {
            await _client.PutAsync(_rig.Key(name), first.Lease.Attributes.ToJson(), other.Id, Ct);
            await _client.RevokeAsync(first.Lease.EtcdLease, Ct);
        });
        var before = await EtcdLeasesAsync();

        var again = await _store.AcquireAsync(_rig.Request(Me), Ct);

        Assert.Equal((first.Lease.Key, "own lease, unchanged", other.Id), (again.Lease.Key, again.How, again.Lease.EtcdLease));
        Assert.Equal(before.Where(l => l != first.Lease.EtcdLease), await EtcdLeasesAsync());
    }

    [Fact]
    public async Task Acquire_WithASecondWriter_NeverOverwritesWhatItHasNotRead()
    {
        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);
        var name = first.Lease.Key.ToString();
        _client.BeforeNext(nameof(IEtcdClient.TransactAsync), () =>
            _client.PutAsync(_rig.Key(name), LeaseRig.Value(Me, "02:00:00:00:00:aa"), first.Lease.EtcdLease, Ct));

        var again = await _store.AcquireAsync(_rig.Request(Me, vni: 7), Ct);

        // The second try has read the other's address and keeps it.
        Assert.Equal(LeaseRig.Value(Me, "02:00:00:00:00:aa", vni: 7), (await EntryAsync(name)).Value);
        Assert.Equal((3L, first.Lease.EtcdLease), ((await EntryAsync(name)).Version, again.Lease.EtcdLease));
    }

    [Fact]
    public async Task Acquire_WhenTheSubnetChangesHandsMeanwhile_LeavesItToTheOther()
    {
        var first = await _store.AcquireAsync(_rig.Request(Me), Ct);
        var name = first.Lease.Key.ToString();
        _client.BeforeNext(nameof(IEtcdClient.TransactAsync), () => _client.PutAsync(_rig.Key(name), LeaseRig.Value(Other), 0, Ct));

        var again = await _store.AcquireAsync(_rig.Request(Me, vni: 7), Ct);

        Assert.NotEqual(first.Lease.Key, again.Lease.Key);
        Assert.Equal(LeaseRig.Value(Other), (await EntryAsync(name)).Value);
    }

    [Fact]
    public async Task Acquire_OfTwentyNodesAtOnce_GivesTwentySubnetsAndNotOneMore()
    {
        await using var rig = new LeaseRig(_rig.Etcd, LeaseRig.NewPlan(max: "10.5.20.0"));
        var nodes = Enumerable.Range(1, 20).Select(i => (Ip: $"192.0.2.{i}", Client: rig.NewClient())).ToList();
        foreach (var (_, client) in nodes)
            await client.GetAsync("/warm-up", Ct); // So that all of them really start together.

        var acquired = await Task.WhenAll(nodes.Select(n => rig.NewStore(n.Client).AcquireAsync(rig.Request(n.Ip), Ct)));

        Assert.Equal(
            Enumerable.Range(1, 20).Select(i => $"10.5.{i}.0-24").Order(StringComparer.Ordinal),
            acquired.Select(a => a.Lease.Key.ToString()).Order(StringComparer.Ordinal));
        Assert.True(nodes.Sum(n => n.Client.Calls(nameof(IEtcdClient.TransactAsync))) > 20, "no race was lost: this test does not test");
        var view = await rig.NewStore(nodes[0].Client).ListAsync(Ct);
        Assert.Equal(acquired.Select(a => a.Lease).OrderBy(l => l.Key.ToString(), StringComparer.Ordinal), view.Leases.Values);

        var e = await Assert.ThrowsAsync<NetworkFullException>(() => rig.NewStore(rig.NewClient()).AcquireAsync(rig.Request("192.0.2.21"), Ct));
        Assert.Equal(
            "no free subnet: every /24 from 10.5.1.0 to 10.5.20.0 is leased. Free one (etcdctl del), or widen Network, SubnetMin/SubnetMax or SubnetLen in the config",
            e.Message);

    }

    [Fact]
    public async Task KeepAlive_OfALease_LeavesNoTraceInTheStore()
    {
        var acquired = await _store.AcquireAsync(_rig.Request(Me), Ct);
        var revision = (await _store.ListAsync(Ct)).Revision;

        Assert.Equal(LeaseRig.Ttl, await _store.KeepAliveAsync(acquired.Lease, Ct));
        Assert.Equal(revision, (await _store.ListAsync(Ct)).Revision);

        await _client.RevokeAsync(acquired.Lease.EtcdLease, Ct);
        Assert.Null(await _store.KeepAliveAsync(acquired.Lease, Ct));
    }

    [Fact]
    public async Task List_OfANetwork_LooksAtItsSubnetsOnly()
    {
        await _client.PutAsync($"{_rig.Prefix}/config", "{}", 0, Ct);
        await _client.PutAsync($"{_rig.Prefix}/subnets-of-another/10.5.1.0-24", LeaseRig.Value(Other), 0, Ct);
        var revision = await _client.PutAsync(_rig.Key("10.5.1.0-24"), LeaseRig.Value(Other), 0, Ct);

        var view = await _store.ListAsync(Ct);

        Assert.Equal(["10.5.1.0-24"], view.Leases.Keys);
        Assert.Empty(view.Rejected);
        Assert.True(view.IsComplete && view.Revision >= revision);
        Assert.Equal(($"{_rig.Prefix}/config", $"{_rig.Prefix}/subnets/"), (_store.ConfigKey, _store.SubnetsPrefix));
    }

    private async Task<EtcdEntry> EntryAsync(string name) => Assert.Single((await _client.GetAsync(_rig.Key(name), Ct)).Entries);

    private async Task<(long ModRevision, long EtcdLease, string Value)> InShortAsync(string name)
    {
        var entry = await EntryAsync(name);
        return (entry.ModRevision, entry.EtcdLease, entry.Value);
    }

    /// <summary>Ids of all etcd leases, in order.</summary>
    private async Task<IEnumerable<long>> EtcdLeasesAsync() => (await _rig.Etcd.CtlAsync("lease", "list"))
        .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Skip(1)
        .Select(l => long.Parse(l, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).Order();
}
