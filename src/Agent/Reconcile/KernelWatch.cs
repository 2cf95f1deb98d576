using System.Net;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Reconcile;

/// <summary>
/// Listens to rtnetlink and nftables and wakes the reconcile loop when something happens that may concern it: on our device or the
/// underlay, to a route inside the overlay network, or to any firewall rule. Containers come and go in hundreds; their events wake
/// someone only while a lane leads to them. What this process itself changes does not either; of forwarding entries nobody tells whose doing they are, so one that is as it
/// should be wakes nobody.
/// </summary>
public sealed class KernelWatch : IDisposable
{
    private readonly WakeSignal _wake;
    private readonly InputStore _store;
    private readonly NftablesFirewall _firewall;
    private readonly ForeignChains _foreign;
    private readonly PolicyWatch _policy;
    private readonly uint _ownPort;
    private RouteMonitor? _routes;
    private NftablesMonitor? _rules;
    private XfrmMonitor? _ipsec;
    private bool _isDeaf = true;
    private bool _hostChanged;
    private Peers _peers = new(null, []);
    private Concern _concern = new(new HashSet<int>(), [], [], null);

    /// <summary>A watch that wakes <paramref name="wake"/> and knows the loop's own doing by the sockets it comes from.</summary>
    public KernelWatch(WakeSignal wake, InputStore store, RouteSocket routes, NftablesFirewall firewall, ForeignChains foreign, PolicyWatch policy)
    {
        _wake = wake;
        _store = store;
        _firewall = firewall;
        _foreign = foreign;
        _policy = policy;
        _ownPort = routes.PortId;
    }

    /// <summary>Begins to listen in the calling thread's network namespace.</summary>
    public void Start()
    {
        _routes = RouteMonitor.Start(OnRouteEvent, OnFailure);
        Volatile.Write(ref _isDeaf, false);
        try
        {
            _rules = NftablesMonitor.Start(OnRulesEvent, OnFailure);
        }
        catch (NativeException)
        {
            // ignoring: a kernel without nf_tables has no rules to watch; the loop reports the firewall itself.
        }

        try
        {
            _ipsec = XfrmMonitor.Start(OnPolicyChange, OnFailure);
        }
        catch (NativeException)
        {
            // ignoring: a kernel without IPsec has no policies.
        }
    }

    /// <summary>Whether interfaces, addresses or routes of this host may have changed since the last call.</summary>
    public bool TakeHostChange() => Interlocked.Exchange(ref _hostChanged, false) || Volatile.Read(ref _isDeaf);

    /// <summary>Says what is about to be made so.</summary>
    public void Expects(DesiredState desired)
    {
        if (!ReferenceEquals(_peers.Of, desired))
            Volatile.Write(ref _peers, new(desired, desired.Overlays.SelectMany(o => o.Device?.Peers ?? []).DistinctBy(p => p.VtepMac).ToDictionary(p => p.VtepMac)));
    }

    /// <summary>Says what concerns the loop from now on.</summary>
    public void Concerns(DatapathReport report, DesiredState desired) =>
        Volatile.Write(ref _concern, new Concern(
            report.Interfaces, [.. desired.Overlays.Select(o => o.Device?.Name).OfType<string>()], [.. desired.Overlays.Select(o => o.Network)], report.Containers));

    /// <inheritdoc/>
    public void Dispose()
    {
        _routes?.Dispose();
        _rules?.Dispose();
        _ipsec?.Dispose();
    }

    private void OnRouteEvent(RouteEvent happened)
    {
        if (happened.PortId == _ownPort && happened.Kind != RouteEventKind.Overrun)
            return;
        if (happened.Kind is not (RouteEventKind.Neighbour or RouteEventKind.Fdb))
            Volatile.Write(ref _hostChanged, true);
        if (happened.Forwarding is { } entry && IsAsExpected(entry, happened.Removed))
            return;
        var concern = Volatile.Read(ref _concern);
        var decides = DecidesOverTraffic(happened, concern);
        if (decides)
            _policy.Note();
        var matters = decides
            || concern.Interfaces.Contains(happened.InterfaceIndex)
            || (happened.MasterIndex != 0 && concern.Interfaces.Contains(happened.MasterIndex))
            || (happened.Kind == RouteEventKind.Neighbour && concern.Containers is { } containers && happened.Destination is { } neighbour && containers.Contains(neighbour.BaseAddress))
            || (happened.LinkName is { } name && concern.Names.Contains(name));
        if (matters)
            _wake.Wake();
    }

    private bool IsAsExpected(FdbEntry entry, bool isRemoved)
    {
        var peer = Volatile.Read(ref _peers).ByMac.GetValueOrDefault(entry.Address);
        return entry.MasterIndex == 0 && (isRemoved ? peer is null : peer is not null && RoutingPlan.IsEntryOf(peer, entry));
    }

    /// <summary>A policy rule, or a route that overlay packets may now take: one inside the overlay network, or around it.</summary>
    private static bool DecidesOverTraffic(in RouteEvent happened, Concern concern) => happened.Kind switch
    {
        RouteEventKind.Overrun or RouteEventKind.Rule => true,
        RouteEventKind.Route when happened.Destination is { } to =>
            concern.Networks.Any(n => n.BaseAddress.AddressFamily == to.BaseAddress.AddressFamily && (n.Contains(to.BaseAddress) || to.Contains(n.BaseAddress))),
        _ => false,
    };

    private void OnRulesEvent(NftablesEvent happened)
    {
        if (happened.Overrun || (!_firewall.IsOwn(happened.PortId) && !_foreign.IsOwn(happened.PortId)))
            OnPolicyChange();
    }

    private void OnPolicyChange()
    {
        _policy.Note();
        _wake.Wake();
    }

    private void OnFailure(Exception failure)
    {
        Volatile.Write(ref _isDeaf, true);
        _store.Report(new Problem(ProblemSeverity.Degraded, "kernel-watch", $"kernel events are not heard any more: {failure.Message}",
            "restart the agent; until then what others change is repaired by the periodic pass (--reconcile-interval)"));
    }

    /// <summary>The peers on VTEP devices, and which desired state they are of.</summary>
    private sealed record Peers(DesiredState? Of, Dictionary<MacAddress, OverlayPeer> ByMac);

    private sealed record Concern(IReadOnlySet<int> Interfaces, IReadOnlyList<string> Names, IReadOnlyList<IPNetwork> Networks, IPNetwork? Containers);
}
