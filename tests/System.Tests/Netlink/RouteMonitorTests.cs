using System.Diagnostics;
using System.Net;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.System.Tests.Netlink;

public sealed class RouteMonitorTests : IDisposable
{
    private readonly TestNamespace _ns = new();
    private readonly EventLog<RouteEvent> _log = new();

    public void Dispose()
    {
        _ns.Dispose();
        _log.Dispose();
    }

    [Fact]
    public void Start_ChangesByIp_AreToldForEveryKindAndBothFamilies()
    {
        using var monitor = _ns.Invoke(() => RouteMonitor.Start(_log.Add));

        var index = _ns.AddUnderlay(address: null);
        Expect(new(RouteEventKind.Link, false, index, LinkName: "eth0"));
        Both("address", "192.0.2.1/24 dev eth0", RouteEventKind.Address, "192.0.2.1/32");
        Both("address", "2001:db8::1/64 dev eth0 nodad", RouteEventKind.Address, "2001:db8::1/128");
        _ns.Ip("address add 192.0.2.1/24 dev eth0");
        Both("route", "10.5.1.0/24 via 192.0.2.9 proto 143", RouteEventKind.Route, "10.5.1.0/24", 143);
        Both("-6 route", "fd00:42:0:1::/64 dev eth0 proto 77", RouteEventKind.Route, "fd00:42:0:1::/64", 77);
        Both("neigh", "192.0.2.7 lladdr 02:00:00:00:00:07 dev eth0", RouteEventKind.Neighbour, "192.0.2.7/32");
        Both("-6 neigh", "2001:db8::7 lladdr 02:00:00:00:00:07 dev eth0", RouteEventKind.Neighbour, "2001:db8::7/128");

        _ns.Ip("link add vx0 type vxlan id 3 dev eth0 dstport 4789");
        var vxlan = _ns.IndexOf("vx0");
        _ns.Run("bridge", "fdb", "add", "02:00:00:00:00:07", "dev", "vx0", "dst", "192.0.2.7", "self");
        var entry = new FdbEntry(vxlan, MacAddress.Parse("02:00:00:00:00:07"), IPAddress.Parse("192.0.2.7"), NeighbourState.Permanent | NeighbourState.NoArp);
        Expect(new(RouteEventKind.Fdb, false, vxlan, Forwarding: entry));
        _ns.Run("bridge", "fdb", "delete", "02:00:00:00:00:07", "dev", "vx0", "dst", "192.0.2.7", "self");
        Expect(new(RouteEventKind.Fdb, true, vxlan, Forwarding: entry));
        Rule("rule", "203.0.113.0/24");
        Rule("-6 rule", "2001:db8:7::/48");
        _ns.Ip("link delete vx0");
        Expect(new(RouteEventKind.Link, true, vxlan, LinkName: "vx0"));
        Assert.Null(monitor.Failure);

        void Both(string what, string words, RouteEventKind kind, string prefix, byte protocol = 0)
        {
            _ns.Ip($"{what} add {words}");
            Expect(new(kind, false, index, Destination: IPNetwork.Parse(prefix), Protocol: protocol));
            _ns.Ip($"{what} delete {words}");
            _log.Await(e => e with { PortId = 0 } == new RouteEvent(kind, true, index, Destination: IPNetwork.Parse(prefix), Protocol: protocol)
                || (kind == RouteEventKind.Neighbour && e.Kind == kind && e.Destination == IPNetwork.Parse(prefix)));
        }

        void Rule(string what, string prefix)
        {
            _ns.Ip($"{what} add to {prefix} table 7");
            Expect(new(RouteEventKind.Rule));
            _ns.Ip($"{what} delete table 7");
            Expect(new(RouteEventKind.Rule, true));
        }

        void Expect(RouteEvent expected) => _log.Await(e => e with { PortId = 0 } == expected);
    }

    [Fact]
    public void Start_ChangesBySockets_TellWhoseTheyAre()
    {
        var index = _ns.AddUnderlay();
        using var mine = _ns.OpenSocket();
        using var other = _ns.OpenSocket();
        using var monitor = _ns.Invoke(() => RouteMonitor.Start(_log.Add));
        Assert.NotEqual(mine.PortId, other.PortId);

        mine.Execute(RouteRequest.ReplaceRoute(new(IPNetwork.Parse("10.1.0.0/16"), IPAddress.Parse("192.0.2.9"), index, 143)));
        other.Execute(RouteRequest.ReplaceRoute(new(IPNetwork.Parse("10.2.0.0/16"), IPAddress.Parse("192.0.2.9"), index, 143)));
        mine.Execute(RouteRequest.AddAddress(new(index, IPAddress.Parse("192.0.2.5"), 32)));

        Assert.Equal(mine.PortId, _log.Await(e => e.Destination == IPNetwork.Parse("10.1.0.0/16")).PortId);
        Assert.Equal(other.PortId, _log.Await(e => e.Destination == IPNetwork.Parse("10.2.0.0/16")).PortId);
        Assert.Equal(mine.PortId, _log.Await(e => e.Kind == RouteEventKind.Address).PortId);
    }

    [Fact]
    public void Start_PortLeavesItsBridge_IsNoRemovalOfTheLink()
    {
        var index = _ns.AddUnderlay();
        _ns.Ip("link add br0 type bridge");
        _ns.Ip("link set eth0 master br0");
        using var monitor = _ns.Invoke(() => RouteMonitor.Start(_log.Add));

        _ns.Ip("link set eth0 nomaster");
        _ns.Ip("link delete br0");

        _log.Await(e =>
        {
            Assert.False(e is { Kind: RouteEventKind.Link, Removed: true } && e.InterfaceIndex == index);
            return e is { Kind: RouteEventKind.Link, Removed: true, LinkName: "br0" };
        });
    }

    [Fact]
    public void Start_Flooded_TellsOfTheOverrunAndGoesOn()
    {
        var index = _ns.AddUnderlay();
        using var gate = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        using var socket = _ns.OpenSocket();
        using var monitor = _ns.Invoke(() => RouteMonitor.Start(
            e =>
            {
                entered.Set();
                gate.Wait();
                _log.Add(e);
            },
            receiveBuffer: 16 << 10));

        // The callback is held while a few times more than the buffer holds arrives; then it may go on.
        var routes = Enumerable.Range(0, 500)
            .Select(i => RouteRequest.ReplaceRoute(new(IPNetwork.Parse($"10.{i >> 8}.{i & 255}.0/24"), IPAddress.Parse("192.0.2.9"), index, 143)))
            .ToList();
        Assert.All(socket.Execute(routes), Assert.Null);
        Assert.True(entered.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        gate.Set();
        _log.Await(e => e.Kind == RouteEventKind.Overrun);

        _ns.Ip("route add 10.99.0.0/16 via 192.0.2.9");
        _log.Await(e => e.Destination == IPNetwork.Parse("10.99.0.0/16"));
        Assert.Null(monitor.Failure);
    }

    [Fact]
    public void Dispose_NothingHappening_ReturnsAtOnceAndEndsTheCallbacks()
    {
        var monitor = _ns.Invoke(() => RouteMonitor.Start(_log.Add));
        _ns.Ip("link set lo down");
        _log.Await(e => e.Kind == RouteEventKind.Link);

        var clock = Stopwatch.StartNew();
        monitor.Dispose();
        monitor.Dispose();

        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Null(monitor.Failure);
    }

    [Fact]
    public void Dispose_CallbackRunning_ReturnsOnlyWhenThatHasEnded()
    {
        using var entered = new ManualResetEventSlim();
        using var gate = new ManualResetEventSlim();
        bool ended = false, endedBeforeReturn = false;
        var monitor = _ns.Invoke(() => RouteMonitor.Start(_ =>
        {
            entered.Set();
            gate.Wait();
            ended = true;
        }));
        _ns.Ip("link set lo down");
        Assert.True(entered.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));

        var disposing = new Thread(() =>
        {
            monitor.Dispose();
            endedBeforeReturn = ended;
        });
        disposing.Start();
        SpinWait.SpinUntil(() => disposing.ThreadState is global::System.Threading.ThreadState.WaitSleepJoin or global::System.Threading.ThreadState.Stopped, TimeSpan.FromSeconds(20));
        gate.Set();
        disposing.Join();

        Assert.True(endedBeforeReturn);
    }

    [Fact]
    public void Dispose_FromWithinTheCallback_DoesNotHang()
    {
        RouteMonitor? monitor = null;
        using var done = new ManualResetEventSlim();
        using var ready = new ManualResetEventSlim();
        monitor = _ns.Invoke(() => RouteMonitor.Start(_ =>
        {
            ready.Wait();
            monitor!.Dispose();
            done.Set();
        }));
        ready.Set();

        _ns.Ip("link set lo down");

        Assert.True(done.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        monitor.Dispose();
    }

    [Fact]
    public void Start_CallbackThrows_TheFailureIsTold()
    {
        using var told = new EventLog<Exception>();
        var thrown = new InvalidOperationException("from the callback");
        using var monitor = _ns.Invoke(() => RouteMonitor.Start(_ => throw thrown, told.Add));

        _ns.Ip("link set lo down");

        Assert.Same(thrown, told.Await(_ => true));
        Assert.Same(thrown, monitor.Failure);
    }
}
