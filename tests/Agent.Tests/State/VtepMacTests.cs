using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.State;
using Accelerated.Interop;

namespace Accelerated.Agent.Tests.State;

public sealed class VtepMacTests
{
    private const string Prefix = "/coreos.com/network";

    // Computed once with Python's hashlib: a change here changes the address of every node in the field.
    [Theory]
    [InlineData(Prefix, "192.0.2.1", 1u, AddressFamily.InterNetwork, "1a:86:27:a3:a5:6f")]
    [InlineData(Prefix, "192.0.2.1", 1u, AddressFamily.InterNetworkV6, "02:16:d0:5b:8c:84")]
    [InlineData(Prefix, "192.0.2.1", 7u, AddressFamily.InterNetwork, "a2:88:5f:a9:13:1a")]
    [InlineData(Prefix, "192.0.2.1", 16777215u, AddressFamily.InterNetwork, "be:6b:c4:21:5f:7a")]
    [InlineData(Prefix, "192.0.2.2", 1u, AddressFamily.InterNetwork, "2e:a5:01:ba:68:c2")]
    [InlineData("/other", "192.0.2.1", 1u, AddressFamily.InterNetwork, "b6:b6:8b:35:91:e0")]
    [InlineData(Prefix, "2001:db8::1", 1u, AddressFamily.InterNetworkV6, "de:25:2b:a8:3c:a5")]
    public void Derive_ForAnIdentity_IsTheSameForEver(string prefix, string publicIP, uint vni, AddressFamily overlay, string expected) =>
        Assert.Equal(expected, VtepMac.Derive(prefix, IPAddress.Parse(publicIP), vni, overlay).ToString());

    [Fact]
    public void Derive_ForTenThousandIdentities_IsUsableAndDistinct()
    {
        var seen = new HashSet<MacAddress>();
        for (var i = 0; i < 10_000; i++)
        {
            var mac = VtepMac.Derive(Prefix, new IPAddress([10, (byte)(i / 2560), (byte)(i / 10 % 256), (byte)(i % 10)]), 1, AddressFamily.InterNetwork);
            Assert.True(mac.IsUnicast && mac.IsLocallyAdministered && VtepMac.IsUsable(mac), mac.ToString());
            Assert.True(seen.Add(mac), $"{mac} came twice");
        }
    }

    [Fact]
    public void Choose_OfThree_PrefersLeaseThenDeviceThenIdentity()
    {
        var (leased, device, derived) = (Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02"), Mac("02:00:00:00:00:03"));
        MacAddress zero = default, group = Mac("01:00:5e:00:00:01");

        Assert.Equal(leased, VtepMac.Choose(leased, device, derived));
        Assert.Equal(device, VtepMac.Choose(null, device, derived));
        Assert.Equal(derived, VtepMac.Choose(null, null, derived));
        Assert.Equal(device, VtepMac.Choose(zero, device, derived));
        Assert.Equal(device, VtepMac.Choose(group, device, derived));
        Assert.Equal(derived, VtepMac.Choose(group, zero, derived));
        Assert.Equal(leased, VtepMac.Choose(leased, null, derived));
    }

    private static MacAddress Mac(string text) => MacAddress.Parse(text);
}
