using Accelerated.Agent.Leases;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>The lease side of one node, wired as the agent does it. Its clock for renewals is moved by the test.</summary>
internal sealed class LeaseNode : IAsyncDisposable
{
    internal const int Connected = 2001;
    internal const int Disconnected = 2002;
    internal const int Compacted = 1102;
    internal const int WentBack = 1103;
    internal const int Lost = 1202;
    internal const int Moved = 1203;
    internal const int Disputed = 1205;
    internal const int GivenUp = 1206;

    private readonly CancellationTokenSource _stop = new();
    private readonly LeaseRig _rig;
    private readonly string _publicIP;
    private readonly bool _isOurs;
    private Task _running = Task.CompletedTask;

    internal LeaseNode(LeaseRig rig, string publicIP, TimeSpan renewMargin, bool isOurs)
    {
        (_rig, _publicIP, _isOurs) = (rig, publicIP, isOurs);
        Client = rig.NewClient();
        var leases = rig.NewStore(Client);
        Session = new EtcdSession(Client, Store, TimeProvider.System, SessionLog);
        Registry = new LeaseRegistry(Client, leases, Session, Store, TimeProvider.System, RegistryLog);
        Keeper = new OwnSubnetKeeper(leases, Session, Store, renewMargin, Time, KeeperLog);
    }

    internal ObservedClient Client { get; }

    internal ManualTime Time { get; } = new();

    internal InputStore Store { get; } = new(new WakeSignal());

    internal EtcdSession Session { get; }

    internal LeaseRegistry Registry { get; }

    internal OwnSubnetKeeper Keeper { get; }

    internal LogRecorder<EtcdSession> SessionLog { get; } = new();

    internal LogRecorder<LeaseRegistry> RegistryLog { get; } = new();

    internal LogRecorder<OwnSubnetKeeper> KeeperLog { get; } = new();

    internal SubnetLease Own => Store.Current.Own!.Lease;

    internal async Task StartAsync(SubnetLease? held)
    {
        var request = _rig.Request(_publicIP) with
        {
            IsOurs = _ => _isOurs,
            Held = held,
            Attributes = leased => _rig.Request(Store.Current.PublicIP?.ToString() ?? _publicIP).Attributes(leased),
        };
        var acquired = await Keeper.AcquireAsync(request, _stop.Token);
        Registry.Changed += Keeper.Observe;
        Store.Changed += Keeper.ObserveHost;
        _running = Task.WhenAll(Registry.RunAsync(_stop.Token), Keeper.KeepAsync(acquired, request, _stop.Token));
    }

    /// <summary>The tasks have not ended by themselves.</summary>
    internal void AssertAlive() => Assert.False(_running.IsCompleted, _running.Exception?.ToString());

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }
}
