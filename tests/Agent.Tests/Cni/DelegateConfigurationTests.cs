using System.Text;
using System.Text.Json.Nodes;
using Accelerated.Agent.Cni;

namespace Accelerated.Agent.Tests.Cni;

/// <summary>What flannel's plugin (github.com/flannel-io/cni-plugin, README and flannel_linux.go) hands to its delegate, we hand to it.</summary>
public sealed class DelegateConfigurationTests
{
    private static readonly NodeSubnet Node = NodeSubnet.Parse("FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=true\n", "subnet.env");

    [Fact]
    public void Build_OfTheSmallestConfiguration_IsWhatFlannelsReadmeShows() => Same(
        """
        {"name":"mynet","type":"bridge","mtu":1472,"ipMasq":false,"isGateway":true,
         "ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.17.0/24"}]],"routes":[{"dst":"10.1.0.0/16"}]}}
        """,
        Build("""{"name":"mynet","type":"flannel"}"""));

    [Fact]
    public void Build_WithADelegate_OverwritesNothingOfIt() => Same(
        """
        {"bridge":"mynet0","mtu":1400,"ipMasq":null,"isGateway":false,"hairpinMode":true,"x":{"y":[1,2.50,"\u00e4"]},"name":"mynet","type":"bridge","cniVersion":"1.0.0",
         "runtimeConfig":{"portMappings":[{"hostPort":80}]},
         "ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.17.0/24"}]],"routes":[{"dst":"10.1.0.0/16"}]}}
        """,
        Build("""
            {"name":"mynet","type":"flannel","cniVersion":"1.0.0","runtimeConfig":{"portMappings":[{"hostPort":80}]},
             "delegate":{"bridge":"mynet0","mtu":1400,"ipMasq":null,"isGateway":false,"hairpinMode":true,"x":{"y":[1,2.50,"\u00e4"]},"cniVersion":"0.2.0","runtimeConfig":{}}}
            """));

    [Fact]
    public void Build_WithAnotherPlugin_LeavesTheGatewayToIt() => Same(
        """
        {"master":"eth0","name":"mynet","type":"ipvlan","mtu":1472,"ipMasq":false,
         "ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.17.0/24"}]],"routes":[{"dst":"10.1.0.0/16"}]}}
        """,
        Build("""{"name":"mynet","type":"flannel","delegate":{"type":"ipvlan","master":"eth0"}}"""));

    [Fact]
    public void Build_WithIpam_CompletesIt() => Same(
        """
        {"name":"mynet","type":"bridge","mtu":1472,"ipMasq":false,"isGateway":true,
         "ipam":{"type":"other","dataDir":"/x","ranges":[[{"subnet":"10.1.17.0/24"}]],"routes":[{"dst":"192.0.2.0/24","gw":"10.1.17.9"},{"dst":"10.1.0.0/16"}]}}
        """,
        Build("""{"name":"mynet","type":"flannel","ipam":{"type":"other","dataDir":"/x","ranges":"no","routes":[{"dst":"192.0.2.0/24","gw":"10.1.17.9"}]}}"""));

    [Fact]
    public void Build_WithBothFamilies_HasARangeAndARouteForEach()
    {
        var node = NodeSubnet.Parse(
            "FLANNEL_NETWORK=10.1.0.0/16,10.2.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\nFLANNEL_IPV6_NETWORK=fd00:42::/48\nFLANNEL_IPV6_SUBNET=fd00:42:0:3d::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n", "f");
        Same(
            """
            {"name":"mynet","type":"bridge","mtu":1450,"ipMasq":true,"isGateway":true,
             "ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.17.0/24"}],[{"subnet":"fd00:42:0:3d::/64"}]],
                     "routes":[{"dst":"10.1.0.0/16"},{"dst":"10.2.0.0/16"},{"dst":"fd00:42::/48"}]}}
            """,
            DelegateConfiguration.Build(Network("""{"name":"mynet","type":"flannel"}"""), node));
    }

    [Theory]
    [InlineData("""{"name":"n","delegate":{"name":"other"}}""", "'delegate' dictionary must not have 'name' field, it'll be set by flannel")]
    [InlineData("""{"name":"n","delegate":{"ipam":{}}}""", "'delegate' dictionary must not have 'ipam' field, it'll be set by flannel")]
    [InlineData("""{"name":"n","delegate":{"type":7}}""", "'delegate' dictionary, if present, must have (string) 'type' field")]
    [InlineData("""{"name":"n","delegate":{"type":"../sh"}}""", "'delegate' dictionary, if present, must have (string) 'type' field")]
    [InlineData("""{"name":"n","type":"flannel","delegate":{"type":"flannel"}}""", "delegate.type is \"flannel\": the plugin would call itself without end")]
    [InlineData("""{"name":"n","ipam":{"routes":"all"}}""", "failed to parse ipam.routes")]
    public void Build_OfWhatOnlyThePluginSays_IsRefused(string network, string message)
    {
        var e = Assert.Throws<CniException>(() => Build(network));

        Assert.Equal((CniException.InvalidConfiguration, message), (e.Code, e.Message));
    }

    [Fact]
    public void FromKept_OfAnAdd_GivesTheDelegateItsConfigurationAndTheResult()
    {
        var kept = RawObject.Parse(DelegateConfiguration.ToKeep(Build("""{"name":"mynet","type":"flannel","cniVersion":"1.0.0"}"""), "eth\"0"));
        var call = Network("""{"name":"mynet","type":"flannel","cniVersion":"1.0.0","prevResult":{"ips":[]},"runtimeConfig":{"mac":"x"}}""");

        Assert.Equal("eth\"0", DelegateConfiguration.InterfaceOf(kept));
        Same(
            """
            {"name":"mynet","type":"bridge","mtu":1472,"ipMasq":false,"isGateway":true,
             "ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.17.0/24"}]],"routes":[{"dst":"10.1.0.0/16"}]},
             "cniVersion":"1.0.0","runtimeConfig":{"mac":"x"},"prevResult":{"ips":[]}}
            """,
            DelegateConfiguration.FromKept(kept, call, "DEL"));
    }

    [Theory]
    [InlineData("DEL", "0.3.1", false)]
    [InlineData("CHECK", "1.0.0", true)]
    public void FromKept_AfterTheVersionWasRaised_DeletesWithoutTheResultAndChecksWithIt(string command, string version, bool hasResult)
    {
        var kept = RawObject.Parse(Build("""{"name":"mynet","cniVersion":"0.3.1"}"""));
        var call = Network("""{"name":"mynet","cniVersion":"1.0.0","prevResult":{"cniVersion":"1.0.0"}}""");

        var given = JsonNode.Parse(DelegateConfiguration.FromKept(kept, call, command))!;

        Assert.Equal((version, hasResult), ((string?)given["cniVersion"], given["prevResult"] is not null));
    }

    [Fact]
    public void FromKept_ForCheck_NamesTheGatewayThatTheRouteHas()
    {
        var kept = RawObject.Parse(Build("""{"name":"mynet","cniVersion":"1.0.0"}"""));
        var call = Network("""
            {"name":"mynet","cniVersion":"1.0.0","prevResult":{"ips":[{"address":"fd00::2/64","gateway":"fd00::1"},{"address":"10.1.17.2/24","gateway":"10.1.17.1"}],
             "routes":[{"dst":"10.1.0.0/16"},{"dst":"fd01::/48"},{"dst":"0.0.0.0/0","gw":"10.1.17.9"}],"dns":{}}}
            """);

        Assert.Equal(
            """[{"dst":"10.1.0.0/16","gw":"10.1.17.1"},{"dst":"fd01::/48","gw":"fd00::1"},{"dst":"0.0.0.0/0","gw":"10.1.17.9"}]""",
            JsonNode.Parse(DelegateConfiguration.FromKept(kept, call, "CHECK"))!["prevResult"]!["routes"]!.ToJsonString());
        Assert.Null(JsonNode.Parse(DelegateConfiguration.FromKept(kept, call, "DEL"))!["prevResult"]!["routes"]![0]!["gw"]);
    }

    [Fact]
    public void ForCall_WithAttachments_HasThemUnderBothNames()
    {
        var call = Network("""{"name":"n","cniVersion":"1.1.0","cni.dev/valid-attachments":[{"containerID":"c","ifname":"eth0"}]}""");

        var given = JsonNode.Parse(DelegateConfiguration.ForCall(Encoding.UTF8.GetBytes("""{"name":"n"}"""), call))!;

        Assert.Equal("c", (string?)given["cni.dev/valid-attachments"]![0]!["containerID"]);
        Assert.Equal("eth0", (string?)given["cni.dev/attachments"]![0]!["ifname"]);
    }

    private static NetworkConfiguration Network(string json) => NetworkConfiguration.Parse(Encoding.UTF8.GetBytes(json));

    private static byte[] Build(string json) => DelegateConfiguration.Build(Network(json), Node);

    private static void Same(string expected, byte[] given) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(given)), Encoding.UTF8.GetString(given));
}
