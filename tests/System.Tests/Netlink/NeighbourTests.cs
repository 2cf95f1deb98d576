using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.System.Tests.Netlink;

public sealed class NeighbourTests : IDisposable
{
    private const int Many = 5000;

    private static readonly MacAddress Mac = MacAddress.Parse("6e:0b:24:f3:bc:5a");

    private readonly TestNamespace _ns = new();
    private readonly RouteSocket _socket;
    private readonly int _vxlan;

    public NeighbourTests()
    {
        _socket = _ns.OpenSocket();
        _ns.AddUnderlay();
        _ns.Ip("link add flannel.1 type vxlan id 1 dev eth0 local 192.0.2.1 dstport 8472 nolearning");
        _ns.Ip("link set flannel.1 up");
        _vxlan = _ns.IndexOf("flannel.1");
    }

    public void Dispose()
    {
        _socket.Dispose();
        _ns.Dispose();
    }

    [Theory]
    [InlineData("10.5.88.0")]
    [InlineData("fd00:42:0:3d::")]
    public void ReplaceNeighbour_EitherFamily_IsWhatIpShows(string address)
    {
        var neighbour = new Neighbour(_vxlan, IPAddress.Parse(address), MacAddress.Parse("02:00:00:00:00:01"));
        var family = neighbour.Address.AddressFamily;

        _socket.Execute(RouteRequest.ReplaceNeighbour(neighbour));
        _socket.Execute(RouteRequest.ReplaceNeighbour(neighbour with { LinkAddress = Mac }));

        Assert.Equal($"{address} dev flannel.1 lladdr {Mac} PERMANENT", _ns.Ip($"neigh show {address}").Trim());
        var read = Assert.Single(_socket.GetNeighbours(family, _vxlan), n => n.IsPermanent);
        Assert.Equal(neighbour with { LinkAddress = Mac }, read);

        _socket.Execute(RouteRequest.DeleteNeighbour(read));
        Assert.Empty(_ns.Ip($"neigh show {address}"));
        _socket.Execute(RouteRequest.DeleteNeighbour(read));
        _socket.Execute(RouteRequest.DeleteNeighbour(read with { InterfaceIndex = 7777 }));
    }

    [Theory]
    [InlineData("192.0.2.2", "192.0.2.3")]
    [InlineData("2001:db8::2", "2001:db8::3")]
    public void ReplaceFdb_OtherDestination_LeavesOneEntryAsBridgeShowsIt(string first, string second)
    {
        if (second.Contains(':', StringComparison.Ordinal))
        {
            _ns.Ip("link delete flannel.1");
            _ns.Ip("link add flannel.1 type vxlan id 1 dev eth0 local 2001:db8::1 dstport 8472 nolearning");
        }

        var device = _ns.IndexOf("flannel.1");
        var entry = new FdbEntry(device, Mac, IPAddress.Parse(first));

        _socket.Execute(RouteRequest.ReplaceFdb(entry));
        _socket.Execute(RouteRequest.ReplaceFdb(entry with { Destination = IPAddress.Parse(second) }));

        Assert.Equal($"{Mac} dst {second} self permanent", _ns.Run("bridge", "fdb", "show", "dev", "flannel.1").Trim());
        Assert.Equal(entry with { Destination = IPAddress.Parse(second) }, Assert.Single(_socket.GetFdb(device)));
    }

    [Fact]
    public void DeleteFdb_OneOfTwoDestinations_KeepsTheOther()
    {
        _ns.Run("bridge", "fdb", "add", "00:00:00:00:00:00", "dev", "flannel.1", "dst", "192.0.2.2", "self", "permanent");
        _ns.Run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "flannel.1", "dst", "192.0.2.3", "vni", "7", "port", "4789");

        // bridge(8) sets both bits where flannel sets one.
        var entry = new FdbEntry(_vxlan, default, IPAddress.Parse("192.0.2.2"), NeighbourState.Permanent | NeighbourState.NoArp);

        Assert.Equal(
            [entry, entry with { Destination = IPAddress.Parse("192.0.2.3"), Vni = 7, Port = 4789 }],
            _socket.GetFdb(_vxlan).OrderBy(e => e.Destination!.ToString()));

        var absent = RouteRequest.DeleteFdb(entry with { Destination = IPAddress.Parse("192.0.2.99") });
        _socket.Execute(absent);
        Assert.Equal(2, _ns.BridgeJson("fdb show dev flannel.1").GetArrayLength());
        _socket.Execute(RouteRequest.DeleteFdb(entry));
        Assert.Equal("192.0.2.3", Assert.Single(_ns.BridgeJson("fdb show dev flannel.1").EnumerateArray()).GetProperty("dst").GetString());
        _socket.Execute(RouteRequest.DeleteFdb(entry));
        _socket.Execute(RouteRequest.DeleteFdb(entry with { InterfaceIndex = 7777 }));
    }

    [Fact]
    public void GetFdb_VxlanInABridge_TellsTheTwoTablesApart()
    {
        _ns.Ip("link add br0 type bridge");
        _ns.Ip("link set flannel.1 master br0");
        _socket.Execute(RouteRequest.ReplaceFdb(new(_vxlan, Mac, IPAddress.Parse("192.0.2.2"))));
        _socket.Execute(RouteRequest.ReplaceFdb(new(_vxlan, Mac, null, NeighbourState.NoArp, NeighbourFlags.Master)));

        var entries = _socket.GetFdb(_vxlan).Where(e => e.Address == Mac).ToList();

        Assert.Equal(2, _ns.BridgeJson("fdb show dev flannel.1").EnumerateArray().Count(e => e.GetProperty("mac").GetString() == Mac.ToString()));
        Assert.Equal(IPAddress.Parse("192.0.2.2"), Assert.Single(entries, e => e.MasterIndex == 0).Destination);
        Assert.Null(Assert.Single(entries, e => e.MasterIndex == _ns.IndexOf("br0")).Destination);
    }

    [Fact]
    public void GetNeighboursAndFdb_OtherDevicesHaveSome_GiveOnlyTheOnesAskedFor()
    {
        _ns.Ip("link add vx2 type vxlan id 2 dev eth0 dstport 8472 nolearning");
        _ns.Ip("link set vx2 up");
        _ns.Ip("neigh add 10.7.0.1 lladdr 02:00:00:00:00:07 dev vx2 nud permanent");
        _ns.Ip("neigh add fd00::7 lladdr 02:00:00:00:00:07 dev flannel.1 nud permanent");
        _ns.Ip("neigh add 10.8.0.1 lladdr 02:00:00:00:00:08 dev flannel.1 nud stale");
        _ns.Run("bridge", "fdb", "add", "02:00:00:00:00:07", "dev", "vx2", "dst", "192.0.2.7", "self", "permanent");

        var neighbour = Assert.Single(_socket.GetNeighbours(AddressFamily.InterNetwork, _vxlan));

        Assert.Equal(("10.8.0.1", NeighbourState.Stale, false), (neighbour.Address.ToString(), neighbour.State, neighbour.IsPermanent));
        Assert.Empty(_socket.GetFdb(_vxlan));
        Assert.Single(_socket.GetFdb(_ns.IndexOf("vx2")));
        Assert.Empty(_socket.GetNeighbours(AddressFamily.InterNetwork, 7777));
        Assert.Empty(_socket.GetFdb(7777));
    }

    [Fact]
    public void Execute_FiveThousandPeers_AreAllThereAndAllGoneAgain()
    {
        var fdb = Enumerable.Range(0, Many).Select(i => new FdbEntry(_vxlan, MacOf(i), AddressOf("172.16", i))).ToList();
        var neighbours = Enumerable.Range(0, Many).Select(i => new Neighbour(_vxlan, AddressOf("10.64", i), MacOf(i))).ToList();
        var routes = Enumerable.Range(0, Many)
            .Select(i => new Route(new(AddressOf("10.64", i), 32), AddressOf("10.64", i), _vxlan, RouteProtocol.Accelerated, OnLink: true))
            .ToList();
        List<RouteRequest> all =
            [.. fdb.Select(RouteRequest.ReplaceFdb), .. neighbours.Select(RouteRequest.ReplaceNeighbour), .. routes.Select(RouteRequest.ReplaceRoute)];

        var clock = Stopwatch.StartNew();
        Assert.All(_socket.Execute(all), Assert.Null);
        var made = clock.Elapsed;

        Assert.Equal(Many, _ns.BridgeJson("fdb show dev flannel.1").GetArrayLength());
        Assert.Equal(Many, _ns.IpJson("neigh show dev flannel.1 nud permanent").GetArrayLength());
        Assert.Equal(Many, _ns.IpJson("route show proto 143").GetArrayLength());
        clock.Restart();
        Assert.Equal(fdb.ToHashSet(), _socket.GetFdb(_vxlan).ToHashSet());
        Assert.Equal(neighbours.ToHashSet(), _socket.GetNeighbours(AddressFamily.InterNetwork, _vxlan).Where(n => n.IsPermanent).ToHashSet());
        Assert.Equal(routes, _socket.GetRoutes(new(AddressFamily.InterNetwork, Protocol: RouteProtocol.Accelerated)).OrderBy(r => Order(r.Gateway!)));
        TestContext.Current.TestOutputHelper!.WriteLine($"{all.Count} requests in {made.TotalMilliseconds:F0} ms, read back in {clock.ElapsedMilliseconds} ms");

        Assert.All(_socket.Execute([.. routes.Select(RouteRequest.DeleteRoute), .. fdb.Select(RouteRequest.DeleteFdb)]), Assert.Null);
        Assert.Equal(0, _ns.BridgeJson("fdb show dev flannel.1").GetArrayLength());
        Assert.Empty(_ns.Ip("route show proto 143"));

        static MacAddress MacOf(int i) => MacAddress.FromBytes([2, 0, 0, 0, (byte)(i >> 8), (byte)i]);
        static IPAddress AddressOf(string start, int i) => IPAddress.Parse($"{start}.{i >> 8}.{i & 255}");
        static int Order(IPAddress a) => a.GetAddressBytes()[2] << 8 | a.GetAddressBytes()[3];
    }
}
