using System.Globalization;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Leases;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Accelerated.Agent.Tests.Etcd;

namespace Accelerated.Agent.Tests.Leases;

public sealed class LeaseRegistryTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private readonly InputStore _store = new(new WakeSignal());
    private readonly LogRecorder<LeaseRegistry> _log = new();
    private readonly CancellationTokenSource _stop = new();
    private EtcdProcess _etcd = null!;
    private LeaseRig _rig = null!;
    private ObservedClient _client = null!;
    private ObservedClient _operator = null!;
    private LeaseRegistry _registry = null!;
    private Task _running = Task.CompletedTask;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private LeaseView View => _store.Current.Leases;

    public async ValueTask InitializeAsync()
    {
        _etcd = await EtcdProcess.StartAsync();
        _rig = new LeaseRig(_etcd, LeaseRig.NewPlan());
        (_client, _operator) = (_rig.NewClient(), _rig.NewClient());
        var session = new EtcdSession(_client, _store, TimeProvider.System, new LogRecorder<EtcdSession>());
        _registry = new LeaseRegistry(_client, _rig.NewStore(_client), session, _store, TimeProvider.System, _log);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _rig.DisposeAsync();
        await _etcd.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task Run_InALivingNetwork_FollowsEveryChange()
    {
        var views = new List<LeaseView>();
        _registry.Changed += views.Add;
        await PutAsync("10.5.1.0-24", "192.0.2.1");
        Start();
        await SeenAsync("10.5.1.0-24");

        await PutAsync("10.5.2.0-24", "192.0.2.2");
        await SeenAsync("10.5.1.0-24 10.5.2.0-24");
        await PutAsync("10.5.2.0-24", "192.0.2.22"); // A change of the value alone (flannel misses it after a reset).
        await Wait.UntilAsync(() => Task.FromResult(View.Leases["10.5.2.0-24"].Attributes.PublicIP!.ToString() == "192.0.2.22"), Limit, "the new address");
        await _etcd.CtlAsync("del", _rig.Key("10.5.1.0-24"));
        await SeenAsync("10.5.2.0-24");

        Assert.True(View.IsComplete);
        Assert.Equal(4, views.Count);
        Assert.Same(View, views[^1]);
        Assert.Equal(1, _client.Calls(nameof(IEtcdClient.ListAsync)));
    }

    [Fact]
    public async Task Run_WhenAPeersEtcdLeaseEnds_LosesThePeer()
    {
        var grant = await _operator.GrantAsync(TimeSpan.FromHours(1), Ct);
        await _operator.PutAsync(_rig.Key("10.5.1.0-24"), LeaseRig.Value("192.0.2.1"), grant.Id, Ct);
        Start();
        await SeenAsync("10.5.1.0-24");
        Assert.Equal(grant.Id, View.Leases["10.5.1.0-24"].EtcdLease);

        await _operator.RevokeAsync(grant.Id, Ct);

        await SeenAsync("");
    }

    // In flannel one such key withdraws every peer.
    [Fact]
    public async Task Run_WithPoisonFromTheStartAndLater_KeepsEveryPeer()
    {
        await PutAsync("10.5.1.0-24", "192.0.2.1");
        await _operator.PutAsync(_rig.Key("10.5.8.0-24"), """{"PublicIP":"\ud800"}""", 0, Ct);
        Start();
        await SeenAsync("10.5.1.0-24");

        await _etcd.CtlAsync([0xff, 0xfe, 0x00], "put", _rig.Key("10.5.9.0-24"));
        await _operator.PutAsync(_rig.Key("nonsense"), "{", 0, Ct);
        await _operator.PutAsync($"{_rig.Prefix}/subnets/", "", 0, Ct);
        await PutAsync("10.5.2.0-24", "192.0.2.2");

        await SeenAsync("10.5.1.0-24 10.5.2.0-24");
        Assert.Equal(["", "10.5.8.0-24", "10.5.9.0-24", "nonsense"], View.Rejected.Keys);
        Assert.False(_running.IsCompleted, _running.Exception?.ToString());
    }

    [Fact]
    public async Task Run_WhenItsRevisionIsCompacted_TakesAFreshSnapshot()
    {
        await PutAsync("10.5.1.0-24", "192.0.2.1");
        _client.BeforeNext(nameof(IEtcdClient.WatchAsync), async () =>
        {
            await _operator.DeleteAsync(_rig.Key("10.5.1.0-24"), Ct);
            await PutAsync("10.5.2.0-24", "192.0.2.2");
            var revision = await _operator.PutAsync("/unrelated", "", 0, Ct);
            await _etcd.CtlAsync("compact", revision.ToString(CultureInfo.InvariantCulture));
        });

        Start();

        await SeenAsync("10.5.2.0-24");
        Assert.Equal(1, _log.Count(LeaseNode.Compacted));
        Assert.Equal((2, 2), (_client.Calls(nameof(IEtcdClient.ListAsync)), _client.Calls(nameof(IEtcdClient.WatchAsync))));

        // And goes on from there.
        await PutAsync("10.5.3.0-24", "192.0.2.3");
        await SeenAsync("10.5.2.0-24 10.5.3.0-24");
    }

    // A store that lost its history says nothing about who is gone: packets to nodes that have not written again yet must flow on.
    [Fact]
    public async Task Run_WhenEtcdCountsAnew_TakesAFreshSnapshotAndKeepsWhatIsMissing()
    {
        for (var i = 0; i < 20; i++)
            await PutAsync("10.5.1.0-24", "192.0.2.1"); // A history that the new etcd does not reach.
        _client.BeforeNext(nameof(IEtcdClient.WatchAsync), async () =>
        {
            _etcd.Kill();
            Directory.Delete(Path.Combine(_etcd.Directory, "data"), recursive: true);
            await _etcd.RestartAsync();
            await PutAsync("10.5.2.0-24", "192.0.2.2");
        });

        Start();

        await SeenAsync("10.5.1.0-24 10.5.2.0-24");
        Assert.Equal(1, _log.Count(LeaseNode.WentBack));
        Assert.Equal(["10.5.1.0-24"], View.Kept);
        Assert.Contains("10.5.1.0-24", _store.Current.Problems[LeaseRegistry.Rewound].Message, StringComparison.Ordinal);

        // And goes on from there: also over a watch that is lost, and until the node has another subnet.
        _client.Reconnect();
        await PutAsync("10.5.3.0-24", "192.0.2.3");
        await SeenAsync("10.5.1.0-24 10.5.2.0-24 10.5.3.0-24");
        Assert.Equal(["10.5.1.0-24"], View.Kept);
        await PutAsync("10.5.4.0-24", "192.0.2.1");
        await SeenAsync("10.5.2.0-24 10.5.3.0-24 10.5.4.0-24");
        Assert.Empty(View.Kept);
        Assert.Empty(_store.Current.Problems);
        Assert.Equal(1, _log.Count(LeaseNode.WentBack));
    }

    [Fact]
    public async Task Run_WhileWatchesAreRefused_ReadsNowAndThenAndSaysSoOnce()
    {
        await PutAsync("10.5.1.0-24", "192.0.2.1");
        var refusals = 0;
        _client.BeforeNext(nameof(IEtcdClient.WatchAsync), Refuse);
        Start();
        await Wait.UntilAsync(() => Task.FromResult(refusals > 0 && _store.Current.Problems.ContainsKey(EtcdSession.WatchRefused)), Limit, "the refusal");
        Assert.True(_store.Current.Etcd.IsConnected);

        // It is not asked again at once, and then the watch works.
        await SeenAsync("10.5.1.0-24");
        await Wait.UntilAsync(() => Task.FromResult(_store.Current.Problems.IsEmpty), Limit, "the end of the refusal");
        Assert.Equal((2, 2), (_client.Calls(nameof(IEtcdClient.ListAsync)), _client.Calls(nameof(IEtcdClient.WatchAsync))));
        await PutAsync("10.5.2.0-24", "192.0.2.2");
        await SeenAsync("10.5.1.0-24 10.5.2.0-24");

        Task Refuse()
        {
            refusals++;
            throw new EtcdException("etcd at x: permission denied", EtcdStatusCode.PermissionDenied, null, isTransient: false);
        }
    }

    [Fact]
    public async Task Run_WhenEtcdIsKilled_KeepsItsViewAndCatchesUp()
    {
        await PutAsync("10.5.1.0-24", "192.0.2.1");
        Start();
        await SeenAsync("10.5.1.0-24");

        _etcd.Kill();
        await Wait.UntilAsync(() => Task.FromResult(!_store.Current.Etcd.IsConnected), Limit, "etcd is missed");
        Assert.Equal((true, 1), (View.IsComplete, View.Leases.Count));

        await _etcd.RestartAsync();
        await PutAsync("10.5.2.0-24", "192.0.2.2");
        await SeenAsync("10.5.1.0-24 10.5.2.0-24");
        Assert.True(_store.Current.Etcd.IsConnected);
    }

    private void Start() => _running = _registry.RunAsync(_stop.Token);

    private Task<long> PutAsync(string name, string publicIP) => _operator.PutAsync(_rig.Key(name), LeaseRig.Value(publicIP), 0, Ct);

    private Task SeenAsync(string names) => Wait.UntilAsync(() => Task.FromResult(string.Join(' ', View.Leases.Keys) == names && View.IsComplete), Limit, $"the view has: {names}");
}
