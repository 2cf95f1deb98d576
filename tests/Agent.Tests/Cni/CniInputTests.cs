using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Accelerated.Agent.Cni;

namespace Accelerated.Agent.Tests.Cni;

/// <summary>What the plugin is given, by the runtime and in files: read as flannel's plugin and the CNI library read it, refused with their codes.</summary>
public sealed class CniInputTests
{
    [Theory]
    [InlineData("", 6, "the network configuration on standard input is not JSON")]
    [InlineData("{", 6, "the network configuration on standard input is not JSON")]
    [InlineData("{} {}", 6, "the network configuration on standard input is not JSON")]
    [InlineData("[]", 6, "the network configuration on standard input is not a JSON object")]
    [InlineData("7", 6, "the network configuration on standard input is not a JSON object")]
    [InlineData("{}", 7, "missing network name")]
    [InlineData("""{"name":null}""", 7, "missing network name")]
    [InlineData("""{"name":"a b"}""", 7, "invalid characters found in network name")]
    [InlineData("""{"name":7}""", 7, "name is 7: expected text in quotes")]
    [InlineData("""{"name":"\ud800"}""", 7, "name is \"\\ud800\": expected text in quotes")]
    [InlineData("""{"name":"n","delegate":[]}""", 7, "delegate is []: expected an object in braces")]
    [InlineData("""{"name":"n","ipam":"host-local"}""", 7, "ipam is \"host-local\": expected an object in braces")]
    [InlineData("""{"name":"n","dataDir":{}}""", 7, "dataDir is {}: expected text in quotes")]
    public void Network_ThatIsNone_IsRefused(string json, int code, string message)
    {
        var e = Assert.Throws<CniException>(() => NetworkConfiguration.Parse(Encoding.UTF8.GetBytes(json)));

        Assert.Equal((code, message), (e.Code, e.Message));
    }

    [Fact]
    public void Network_IsReadAsGoReadsIt()
    {
        var network = NetworkConfiguration.Parse(Encoding.UTF8.GetBytes("""{"NAME":"x","name":"n","SubnetFile":"/s","datadir":null,"delegate":null,"more":[{}]}"""));

        Assert.Equal(("n", "/s", "/var/lib/cni/flannel", "/run/accelerated/agent.sock"), (network.Name, network.SubnetFile, network.DataDirectory, network.AgentSocket));
        Assert.Null(network.Delegate);
        Assert.Equal("0.1.0", network.Version);
    }

    [Theory]
    [InlineData("9.9", "ADD", 1, "incompatible CNI versions")]
    [InlineData("1.0", "ADD", 1, "incompatible CNI versions")]
    [InlineData("0.3.1", "CHECK", 1, "config version does not allow CHECK")]
    [InlineData("1.0.0", "GC", 1, "config version does not allow GC")]
    [InlineData("1.0.0", "STATUS", 1, "config version does not allow STATUS")]
    public void Version_ThatDoesNotAllowACommand_IsRefused(string version, string command, int code, string message)
    {
        var e = Assert.Throws<CniException>(() => CniVersion.Check(version, command));

        Assert.Equal((code, message), (e.Code, e.Message));
    }

    [Fact]
    public void Version_OfEachKind_AllowsAddAndDel()
    {
        foreach (var version in CniVersion.Supported)
        {
            CniVersion.Check(version, "ADD");
            CniVersion.Check(version, "DEL");
        }

        CniVersion.Check("0.4.0", "CHECK");
        CniVersion.Check("1.1.0", "GC");
        CniVersion.Check("1.1.0", "STATUS");
    }

    [Theory]
    [InlineData("ADD", "c", "", "eth0", "/bin", "required env variables [CNI_NETNS] missing")]
    [InlineData("ADD", "", "/ns", "", "", "required env variables [CNI_CONTAINERID,CNI_IFNAME,CNI_PATH] missing")]
    [InlineData("DEL", "", "", "eth0", "/bin", "required env variables [CNI_CONTAINERID] missing")]
    [InlineData("GC", "", "", "", "", "required env variables [CNI_PATH] missing")]
    [InlineData("PUT", "c", "/ns", "eth0", "/bin", "unknown CNI_COMMAND: PUT")]
    [InlineData("DEL", "../c", "", "eth0", "/bin", "invalid characters in CNI_CONTAINERID")]
    [InlineData("DEL", ".c", "", "eth0", "/bin", "invalid characters in CNI_CONTAINERID")]
    [InlineData("DEL", "c", "", "eth0:1", "/bin", "invalid CNI_IFNAME")]
    [InlineData("DEL", "c", "", "..", "/bin", "invalid CNI_IFNAME")]
    [InlineData("DEL", "c", "", "a234567890123456", "/bin", "invalid CNI_IFNAME")]
    public void Environment_WithSomethingMissingOrWrong_IsRefused(string command, string container, string netns, string name, string path, string message)
    {
        var variables = new Dictionary<string, string> { ["CNI_COMMAND"] = command, ["CNI_CONTAINERID"] = container, ["CNI_NETNS"] = netns, ["CNI_IFNAME"] = name, ["CNI_PATH"] = path };

        var e = Assert.Throws<CniException>(() => CniRequest.Read(variables.GetValueOrDefault));

        Assert.Equal((CniException.InvalidEnvironment, message), (e.Code, e.Message));
    }

    [Theory]
    [InlineData("FLANNEL_SUBNET=10.1.17.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=true\n", "f is missing FLANNEL_NETWORK")]
    [InlineData("DOCKER_OPT_BIP=\"--bip=10.1.17.1/24\"\n", "f is missing FLANNEL_NETWORK, FLANNEL_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ")]
    [InlineData("FLANNEL_NETWORK=10.1.0.0\n", "f: FLANNEL_NETWORK=10.1.0.0: expected a network in CIDR notation, such as 10.5.1.0/24")]
    [InlineData("FLANNEL_SUBNET=10.1.17/24\n", "f: FLANNEL_SUBNET=10.1.17/24: expected a network in CIDR notation, such as 10.5.1.0/24")]
    [InlineData("FLANNEL_SUBNET=10.1.17.256/24\n", "f: FLANNEL_SUBNET=10.1.17.256/24: expected a network in CIDR notation, such as 10.5.1.0/24")]
    [InlineData("FLANNEL_SUBNET=10.1.17.1/33\n", "f: FLANNEL_SUBNET=10.1.17.1/33: expected a network in CIDR notation, such as 10.5.1.0/24")]
    [InlineData("FLANNEL_IPV6_SUBNET=10.1.17.1/24\n", "f: FLANNEL_IPV6_SUBNET=10.1.17.1/24: expected a network in CIDR notation, such as fd00:42::/48")]
    [InlineData("FLANNEL_MTU=big\n", "f: FLANNEL_MTU=big: expected a number of bytes")]
    public void Subnet_WithSomethingMissingOrWrong_IsRefused(string text, string message)
    {
        var e = Assert.Throws<CniException>(() => NodeSubnet.Parse(text, "f"));

        Assert.Equal((CniException.InvalidConfiguration, message), (e.Code, e.Message));
    }

    [Theory]
    [InlineData("10.1.17.1/24", "10.1.17.0/24")]
    [InlineData("10.255.255.255/9", "10.128.0.0/9")]
    [InlineData("192.0.2.7/32", "192.0.2.7/32")]
    [InlineData("192.0.2.7/0", "0.0.0.0/0")]
    public void Subnet_OfAnAddress_IsItsNetwork(string given, string network) =>
        Assert.Equal([network], NodeSubnet.Parse($"FLANNEL_NETWORK=10.0.0.0/8\r\nFLANNEL_SUBNET={given}\r\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=no", "f").Subnets);

    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    [InlineData("\"quoted\" \\ and \n\t\u0001")]
    [InlineData("ä € \U0001F600")]
    public void Quote_OfAnyText_IsJsonForIt(string text) =>
        Assert.Equal(text, (string?)JsonNode.Parse(new RawWriter().Add("k", text).ToArray())!["k"]);

    [Theory]
    [InlineData("""{"a":1,"b":[1,{"c":"]}"}],"a":"x\u0041"}""")]
    public void Object_WrittenAgain_IsTheSameAndTheLastOfANameCounts(string json)
    {
        var read = RawObject.Parse(Encoding.UTF8.GetBytes(json));

        Assert.Equal(json, Encoding.UTF8.GetString(new RawWriter().AddAll(read).ToArray()));
        Assert.Equal("xA", read.Find("a")!.Text);
        Assert.Equal("]}", read.Find("b")!.Inside.Values[1].Inside.Find("c")!.Text);
        Assert.Null(read.Find("A"));
        Assert.Equal("xA", read.FindField("A")!.Text);
        Assert.ThrowsAny<JsonException>(() => RawObject.Parse(Encoding.UTF8.GetBytes(json + "}")));
    }
}
