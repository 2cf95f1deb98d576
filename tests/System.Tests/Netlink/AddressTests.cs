using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Accelerated.Interop.Netlink;

namespace Accelerated.System.Tests.Netlink;

public sealed class AddressTests : IDisposable
{
    private readonly TestNamespace _ns = new();
    private readonly RouteSocket _socket;
    private readonly int _eth0;

    public AddressTests()
    {
        _socket = _ns.OpenSocket();
        _eth0 = _ns.AddUnderlay(address: null);
    }

    public void Dispose()
    {
        _socket.Dispose();
        _ns.Dispose();
    }

    [Theory]
    [InlineData("10.5.60.0", 32)]
    [InlineData("10.5.60.9", 24)]
    [InlineData("fd00:42:0:41::", 128)]
    public void AddAddress_EitherFamily_IsWhatIpShowsAndPermanent(string text, int length)
    {
        var address = new InterfaceAddress(_eth0, IPAddress.Parse(text), length);

        _socket.Execute(RouteRequest.AddAddress(address));
        _socket.Execute(RouteRequest.AddAddress(address));

        var shown = Assert.Single(Shown("eth0"), a => a.GetProperty("scope").GetString() == "global");
        Assert.Equal(text, shown.GetProperty("local").GetString());
        Assert.Equal(length, shown.GetProperty("prefixlen").GetInt32());
        Assert.False(shown.TryGetProperty("address", out _));
        Assert.Equal(uint.MaxValue, shown.GetProperty("valid_life_time").GetUInt32());
        var read = Assert.Single(_socket.GetAddresses(address.Address.AddressFamily, _eth0), a => a.Scope == RouteScope.Universe);
        Assert.Equal((address.Address, length, true), (read.Address, read.PrefixLength, read.IsPermanent));
        Assert.Null(read.Peer);
    }

    [Theory]
    [InlineData("10.1.1.1", "10.1.1.2", 32)]
    [InlineData("2001:db8:1::1", "2001:db8:1::2", 128)]
    public void AddAddress_WithPeer_KeepsTheEndsApart(string local, string peer, int length)
    {
        var address = new InterfaceAddress(_eth0, IPAddress.Parse(local), length, Peer: IPAddress.Parse(peer));

        _socket.Execute(RouteRequest.AddAddress(address));

        var shown = Assert.Single(Shown("eth0"), a => a.GetProperty("local").GetString() == local);
        Assert.Equal(peer, shown.GetProperty("address").GetString());
        var read = Assert.Single(_socket.GetAddresses(interfaceIndex: _eth0), a => a.Address.Equals(address.Address));
        Assert.Equal(address.Peer, read.Peer);
        _socket.Execute(RouteRequest.DeleteAddress(read));
        Assert.DoesNotContain(Shown("eth0"), a => a.GetProperty("local").GetString() == local);
    }

    [Fact]
    public void GetAddresses_FlagsIpSet_AreTold()
    {
        _ns.Ip("address add 2001:db8::1/64 dev eth0 nodad preferred_lft 0 valid_lft 1000");
        _ns.Ip("address add 192.0.2.1/24 dev eth0 label eth0:first");
        _ns.Ip("address add 192.0.2.2/24 dev eth0 noprefixroute");

        var all = _socket.GetAddresses(interfaceIndex: _eth0).ToDictionary(a => a.Address.ToString());

        Assert.Equal((true, false), (all["2001:db8::1"].IsDeprecated, all["2001:db8::1"].IsPermanent));
        Assert.Equal(("eth0:first", false), (all["192.0.2.1"].Label, all["192.0.2.1"].IsSecondary));
        Assert.Equal((true, false, 0x200u), (all["192.0.2.2"].IsSecondary, all["192.0.2.2"].IsTemporary, all["192.0.2.2"].Flags & 0x200));
    }

    [Fact]
    public void GetAddresses_Filters_GiveWhatIpGives()
    {
        _ns.AddUnderlay("eth1", "198.51.100.1/24");
        _ns.Ip("address add 192.0.2.1/24 dev eth0");
        _ns.Ip("address add 2001:db8::1/64 dev eth1 nodad");

        Assert.Equal(Expected("address show"), Actual(_socket.GetAddresses()));
        Assert.Equal(Expected("-4 address show"), Actual(_socket.GetAddresses(AddressFamily.InterNetwork)));
        Assert.Equal(Expected("-6 address show"), Actual(_socket.GetAddresses(AddressFamily.InterNetworkV6)));
        Assert.Equal(Expected("address show dev eth1"), Actual(_socket.GetAddresses(interfaceIndex: _ns.IndexOf("eth1"))));
        Assert.Empty(_socket.GetAddresses(interfaceIndex: 7777));

        string[] Expected(string arguments) =>
        [
            .. from link in _ns.IpJson(arguments).EnumerateArray()
               where link.TryGetProperty("addr_info", out _)
               from address in link.GetProperty("addr_info").EnumerateArray()
               select $"{link.GetProperty("ifindex")} {address.GetProperty("local").GetString()}/{address.GetProperty("prefixlen")}" into line
               orderby line
               select line,
        ];

        string[] Actual(IEnumerable<InterfaceAddress> addresses) =>
            [.. addresses.Select(a => $"{a.InterfaceIndex} {a.Address}/{a.PrefixLength}").Order()];
    }

    [Fact]
    public void DeleteAddress_NotThere_Succeeds()
    {
        var address = new InterfaceAddress(_eth0, IPAddress.Parse("10.5.60.0"), 32);
        _socket.Execute(RouteRequest.AddAddress(address));

        _socket.Execute(RouteRequest.DeleteAddress(address));
        Assert.DoesNotContain(Shown("eth0"), a => a.GetProperty("local").GetString() == "10.5.60.0");

        _socket.Execute(RouteRequest.DeleteAddress(address));
        _socket.Execute(RouteRequest.DeleteAddress(address with { Address = IPAddress.Parse("fd00::7"), PrefixLength = 128 }));
        _socket.Execute(RouteRequest.DeleteAddress(address with { InterfaceIndex = 7777 }));
    }

    private IEnumerable<JsonElement> Shown(string link) =>
        _ns.IpJson($"address show dev {link}").EnumerateArray().SelectMany(l => l.GetProperty("addr_info").EnumerateArray());
}
