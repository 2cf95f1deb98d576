using Accelerated.Agent.Leases;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Accelerated.Agent.Tests.Etcd;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>The network config changes in etcd while the agent runs.</summary>
public sealed class ConfigFollowerTests : IAsyncLifetime
{
    private const string First = """{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":1400}}""";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly InputStore _store = new(new WakeSignal());
    private readonly LogRecorder<ConfigFollower> _log = new();
    private readonly CancellationTokenSource _stop = new();
    private EtcdProcess _etcd = null!;
    private LeaseRig _rig = null!;
    private SubnetLeaseStore _leases = null!;
    private ObservedClient _operator = null!;
    private Task _running = Task.CompletedTask;

    public static TheoryData<string, string> NotFollowed => new()
    {
        { "{", "the config is not JSON" },
        { """{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":17}}""", "Backend.MTU 17 leaves less than" },
        { """{"Network":"10.6.0.0/16","Backend":{"Type":"vxlan","MTU":1400}}""", "Network or SubnetLen, SubnetMin, SubnetMax cannot be changed while the agent runs" },
        { """{"Network":"10.5.0.0/16","SubnetLen":25,"Backend":{"Type":"vxlan"}}""", "Network or SubnetLen, SubnetMin, SubnetMax cannot be changed" },
        { """{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:42::/48","Backend":{"Type":"vxlan"}}""", "EnableIPv6 or IPv6Network cannot be changed" },
        { """{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}""", "Backend.Type cannot be changed" },
        { """{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":7}}""", "Backend.VNI cannot be changed" },
    };

    private NetworkConfig Config => _store.Current.Config!;

    private string? NotFollowedBecause => _store.Current.Problems.GetValueOrDefault(ConfigFollower.NotFollowed)?.Message;

    public async ValueTask InitializeAsync()
    {
        _etcd = await EtcdProcess.StartAsync();
        _rig = new LeaseRig(_etcd, LeaseRig.NewPlan());
        _operator = _rig.NewClient();
        var client = _rig.NewClient();
        _leases = _rig.NewStore(client);
        await PutAsync(First);
        _store.Update(i => i with { Config = NetworkConfigParser.Parse(First) });
        var session = new EtcdSession(client, _store, TimeProvider.System, new LogRecorder<EtcdSession>());
        _running = new ConfigFollower(client, _leases, session, _store, TimeProvider.System, _log).RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _rig.DisposeAsync();
        await _etcd.DisposeAsync();
        _stop.Dispose();
    }

    [Theory]
    [MemberData(nameof(NotFollowed))]
    public async Task Config_ThatCannotBeApplied_ChangesNothingIsSaidOnceAndIsResolvedWhenItIsPutBack(string json, string why)
    {
        await PutAsync(json);

        await UntilAsync(() => NotFollowedBecause?.Contains(why, StringComparison.Ordinal) == true, "the problem");
        Assert.Contains($"({_leases.ConfigKey})", NotFollowedBecause, StringComparison.Ordinal);
        Assert.Equal(First, Config.Source);
        await PutAsync(json);
        await PutAsync(First);
        await UntilAsync(() => NotFollowedBecause is null, "the end of the problem");
        Assert.Equal(First, Config.Source);
        Assert.Single(_log.Lines);
    }

    [Fact]
    public async Task Config_OfTheTunnel_IsFollowedAtOnce()
    {
        await PutAsync("""{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","MTU":1300,"Port":4789,"DirectRouting":true}}""");

        await UntilAsync(() => Config.Backend is { Mtu: 1300, Port: 4789, DirectRouting: true }, "the new settings");
        Assert.Null(NotFollowedBecause);
    }

    [Fact]
    public async Task Config_Deleted_IsKeptAndTheRemedyRestoresIt()
    {
        await _operator.DeleteAsync(_leases.ConfigKey, TestContext.Current.CancellationToken);

        await UntilAsync(() => NotFollowedBecause?.Contains("the key is gone", StringComparison.Ordinal) == true, "the problem");
        Assert.Equal($"etcdctl put {_leases.ConfigKey} '{First}'", _store.Current.Problems[ConfigFollower.NotFollowed].Remedy);
        await PutAsync(First);
        await UntilAsync(() => NotFollowedBecause is null, "the end of the problem");
    }

    [Fact]
    public async Task Config_CompactedAndLeftByAnotherKeyOfTheSamePrefix_IsStillFollowed()
    {
        await _operator.PutAsync(_leases.ConfigKey + "-old", "{", 0, TestContext.Current.CancellationToken);
        await _etcd.CtlAsync("compact", $"{await _operator.PutAsync(_leases.ConfigKey + "-older", "", 0, TestContext.Current.CancellationToken)}");
        await PutAsync(First.Replace("1400", "1410", StringComparison.Ordinal));

        await UntilAsync(() => Config.Backend.Mtu == 1410, "the new MTU");
        Assert.Null(NotFollowedBecause);
    }

    private Task<long> PutAsync(string json) => _operator.PutAsync(_leases.ConfigKey, json, 0, TestContext.Current.CancellationToken);

    private static Task UntilAsync(Func<bool> condition, string what) => Wait.UntilAsync(() => Task.FromResult(condition()), Limit, what);
}
