using System.Net;
using Accelerated.Agent.State;
using Accelerated.Interop;

namespace Accelerated.Agent.Tests.State;

public sealed class SubnetAttributesTests
{
    private const string Mac = "76:19:b2:0f:7d:a4";

    public static TheoryData<string, string> Recorded
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var network in Fixtures.Networks)
            {
                foreach (var (name, value) in Fixtures.Leases(network))
                    data.Add($"{network} {name}", value);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Recorded))]
    public void ToJson_AfterReadingWhatFlannelWrote_IsTheSameByteForByte(string which, string value)
    {
        Assert.True(SubnetAttributes.TryParse(value, out var attributes, out var error), $"{which}: {error}");
        Assert.Equal(value, attributes.ToJson());
    }

    [Fact]
    public void ToJson_OfEveryField_KeepsFlannelsOrderAndNames()
    {
        var all = new SubnetAttributes(
            IPAddress.Parse("192.0.2.1"), IPAddress.Parse("2001:db8::1"), "vxlan",
            new VtepData(7, MacAddress.Parse(Mac)), new VtepData(null, MacAddress.Parse("12:e2:c1:52:03:ee")));

        Assert.Equal(
            """{"PublicIP":"192.0.2.1","PublicIPv6":"2001:db8::1","BackendType":"vxlan","BackendData":{"VNI":7,"VtepMAC":"76:19:b2:0f:7d:a4"},"BackendV6Data":{"VtepMAC":"12:e2:c1:52:03:ee"}}""",
            all.ToJson());
        Assert.True(SubnetAttributes.TryParse(all.ToJson(), out var again, out _));
        Assert.Equal(all, again);
        Assert.Equal("""{"PublicIP":"0.0.0.0","PublicIPv6":null}""", new SubnetAttributes(null, null, "", null, null).ToJson());
    }

    [Theory]
    [InlineData("""{"Transports":["vxlan","host-gw"]}""", true)]
    [InlineData("""{"transports":["quic",7,null,"host-gw"]}""", true)]
    [InlineData("""{"Transports":["vxlan"]}""", false)]
    [InlineData("""{"Transports":"host-gw"}""", false)] // Somebody else's key of this name spoils nothing.
    [InlineData("""{"Transports":{"host-gw":true}}""", false)]
    [InlineData("""{"Transports":null}""", false)]
    [InlineData("""{}""", false)]
    public void TryParse_OfTheAnnouncement_IsTrueOnlyForHostGwInAList(string value, bool expected)
    {
        Assert.True(SubnetAttributes.TryParse(value, out var attributes, out var error), error);
        Assert.Equal(expected, attributes.UnderstandsHostGw);
    }

    [Fact]
    public void ToJson_OfTheAnnouncement_ComesAfterAllThatIsFlannels()
    {
        var ours = new SubnetAttributes(IPAddress.Parse("192.0.2.1"), null, "vxlan", new VtepData(1, MacAddress.Parse(Mac)), null, UnderstandsHostGw: true);

        Assert.Equal(
            """{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"76:19:b2:0f:7d:a4"},"Transports":["vxlan","host-gw"]}""",
            ours.ToJson());
        Assert.True(SubnetAttributes.TryParse(ours.ToJson(), out var again, out _));
        Assert.Equal(ours, again);
    }

    [Theory]
    [InlineData("""{}""", "- - '' - -")]
    [InlineData("""{"PublicIP":null,"BackendType":null,"BackendData":null,"BackendV6Data":null}""", "- - '' - -")]
    [InlineData("""{"PublicIP":"","PublicIPv6":""}""", "- - '' - -")]
    [InlineData("""{"PublicIP":"0.0.0.0","PublicIPv6":"::"}""", "- - '' - -")]
    [InlineData("""{"publicip":"192.0.2.1","PUBLICIPV6":"2001:DB8::1","backendtype":"VXLAN"}""", "192.0.2.1 2001:db8::1 'vxlan' - -")]
    [InlineData("""{"PublicIP":"192.0.2.9","PublicIP":"192.0.2.1","PublicIP":null}""", "192.0.2.1 - '' - -")]
    [InlineData("""{"BackendData":{"vtepmac":"76:19:B2:0F:7D:A4"}}""", "- - '' ?/76:19:b2:0f:7d:a4 -")]
    [InlineData("""{"BackendData":{"VNI":0,"VtepMAC":"76:19:b2:0f:7d:a4"}}""", "- - '' 0/76:19:b2:0f:7d:a4 -")]
    [InlineData("""{"BackendV6Data":{"VNI":4294967295,"VtepMAC":"76:19:b2:0f:7d:a4"}}""", "- - '' - 4294967295/76:19:b2:0f:7d:a4")]
    [InlineData("""{"BackendType":"wireguard","BackendData":{"PublicKey":"abc=","Port":51820}}""", "- - 'wireguard' - -")]
    [InlineData("""{"BackendType":"alloc","BackendData":{}}""", "- - 'alloc' - -")]
    [InlineData("""{"BackendData":{"VtepMAC":""},"Extra":[1,{"2":3}]}""", "- - '' - -")]
    public void TryParse_OfMissingAndOddFields_TakesWhatIsThere(string json, string expected)
    {
        Assert.True(SubnetAttributes.TryParse(json, out var a, out var error), error);
        Assert.Equal(expected, $"{Or(a.PublicIP)} {Or(a.PublicIPv6)} '{a.BackendType}' {Vtep(a.Vtep)} {Vtep(a.VtepV6)}");

        static string Or(object? value) => value?.ToString() ?? "-";

        static string Vtep(VtepData? data) => data is null ? "-" : $"{data.Vni?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "?"}/{data.Mac}";
    }

    [Theory]
    [InlineData("", "the value is not JSON")]
    [InlineData("{", "the value is not JSON")]
    [InlineData("not json", "the value is not JSON")]
    [InlineData("null", "the value is not a JSON object")]
    [InlineData("[]", "the value is not a JSON object")]
    [InlineData("\"\"", "the value is not a JSON object")]
    [InlineData("""{"PublicIP":42}""", "PublicIP is 42: expected text in quotes")]
    [InlineData("""{"PublicIP":"host-1"}""", "PublicIP \"host-1\" is not an IPv4 address")]
    [InlineData("""{"PublicIP":"2001:db8::1"}""", "PublicIP \"2001:db8::1\" is not an IPv4 address")]
    [InlineData("""{"PublicIP":"192.0.513"}""", "PublicIP \"192.0.513\" is not an IPv4 address")]
    [InlineData("""{"PublicIP":"0300.0.2.1"}""", "PublicIP \"0300.0.2.1\" is not an IPv4 address")]
    [InlineData("""{"PublicIPv6":"192.0.2.1"}""", "PublicIPv6 \"192.0.2.1\" is not an IPv6 address")]
    [InlineData("""{"PublicIPv6":"fe80::1%eth0"}""", "PublicIPv6 \"fe80::1%eth0\" is not an IPv6 address")]
    [InlineData("""{"BackendType":["vxlan"]}""", "BackendType is [\"vxlan\"]: expected text in quotes")]
    [InlineData("""{"BackendData":"none"}""", "BackendData is \"none\": expected an object in braces")]
    [InlineData("""{"BackendData":{"VtepMAC":7}}""", "BackendData.VtepMAC is 7: expected text in quotes")]
    [InlineData("""{"BackendData":{"VtepMAC":"76:19:b2:0f:7d"}}""", "BackendData.VtepMAC \"76:19:b2:0f:7d\" is not a MAC address")]
    [InlineData("""{"BackendV6Data":{"VtepMAC":"76-19-b2-0f-7d-a4"}}""", "BackendV6Data.VtepMAC \"76-19-b2-0f-7d-a4\" is not a MAC address")]
    [InlineData("""{"BackendData":{"VtepMAC":"76:19:b2:0f:7d:a4","VNI":-1}}""",
        "BackendData.VNI is -1: expected a whole number from 0 to 4294967295, without quotes")]
    [InlineData("""{"BackendType":"\ud800"}""", "BackendType is \"\\ud800\": expected text without broken \\u escapes")]
    public void TryParse_OfABadValue_SaysWhichFieldIsWrong(string json, string expected)
    {
        Assert.False(SubnetAttributes.TryParse(json, out var attributes, out var error));
        Assert.Null(attributes);
        Assert.Equal(expected, error);
    }

    [Fact]
    public void TryParse_OfAnOverlongValue_DoesNotLookAtIt()
    {
        var longest = "{\"x\":\"" + new string('x', SubnetAttributes.LongestValue - 8) + "\"}";
        Assert.True(SubnetAttributes.TryParse(longest, out _, out var error), error);
        Assert.False(SubnetAttributes.TryParse(longest + " ", out _, out error));
        Assert.Equal("the value is longer than 16384 characters", error);
    }
}
