using System.Net;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

public sealed class SubnetEnvironmentTests
{
    public static TheoryData<string, int, int> Recorded => new()
    {
        { "vxlan", 1, 1450 },
        { "vxlan", 2, 1450 },
        { "directrouting", 1, 1450 },
        { "directrouting", 2, 1450 },
        { "dualstack", 1, 1450 },
        { "dualstack", 2, 1450 },
        { "host-gw", 1, 1500 },
        { "host-gw", 2, 1500 },
        { "udp", 1, 1472 },
        { "udp", 2, 1472 },
    };

    [Theory]
    [MemberData(nameof(Recorded))]
    public void ToFileText_ForAFlannelNode_IsFlannelsFileByteForByte(string network, int node, int mtu)
    {
        var config = NetworkConfigParser.Parse(Fixtures.Config(network));
        var name = Fixtures.Leases(network).Single(l => l.Value.Contains($"\"192.0.2.{node}\"", StringComparison.Ordinal)).Name;
        Assert.True(SubnetKey.TryParse(name, out var own));
        var file = Fixtures.Text(network, $"subnet{node}.env");

        Assert.Equal(file, new SubnetEnvironment(config.IPv4?.Network, own.IPv4, config.IPv6?.Network, own.IPv6, mtu, true).ToFileText());
        Assert.Equal(own.IPv4, SubnetEnvironment.FindPreviousSubnet(file));
    }

    [Fact]
    public void ToFileText_OfOneFamily_LeavesTheOtherOut()
    {
        var (network, subnet) = (IPNetwork.Parse("10.5.0.0/16"), IPNetwork.Parse("10.5.1.0/24"));
        var (network6, subnet6) = (IPNetwork.Parse("fd00:42::/48"), IPNetwork.Parse("fd00:42:0:3d::/64"));

        Assert.Equal(
            "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_MTU=8950\nFLANNEL_IPMASQ=false\n",
            new SubnetEnvironment(network, subnet, null, null, 8950, false).ToFileText());
        Assert.Equal(
            "FLANNEL_IPV6_NETWORK=fd00:42::/48\nFLANNEL_IPV6_SUBNET=fd00:42:0:3d::1/64\nFLANNEL_MTU=1430\nFLANNEL_IPMASQ=true\n",
            new SubnetEnvironment(null, null, network6, subnet6, 1430, true).ToFileText());
    }

    [Theory]
    [InlineData("FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_MTU=1450\n", "10.5.1.0/24")]
    [InlineData("FLANNEL_SUBNET=10.5.1.1/24", "10.5.1.0/24")]
    [InlineData("FLANNEL_SUBNET=10.5.1.1/24\r\nFLANNEL_MTU=1450\r\n", "10.5.1.0/24")]
    [InlineData("export FLANNEL_SUBNET=\"10.5.1.1/24\"\n", "10.5.1.0/24")]
    [InlineData("FLANNEL_SUBNET='10.5.1.1/24'\n", "10.5.1.0/24")]

    // What mk-docker-opts.sh leaves: individual, combined, combined under another name, without ip-masq.
    [InlineData("DOCKER_OPT_BIP=\"--bip=172.17.49.1/24\"\nDOCKER_OPT_IPMASQ=\"--ip-masq=true\"\nDOCKER_OPT_MTU=\"--mtu=1450\"\n", "172.17.49.0/24")]
    [InlineData("DOCKER_OPTS=\" --bip=10.5.1.1/24 --ip-masq=false --mtu=1450\"\n", "10.5.1.0/24")]
    [InlineData("DOCKER_NETWORK_OPTIONS=\" --bip=10.5.1.1/24 --mtu=1450\"\n", "10.5.1.0/24")]
    [InlineData("DOCKER_OPT_MTU=\"--mtu=1450\"\nDOCKER_OPTS=\" --mtu=1450 --bip=10.5.1.65/26\"\n", "10.5.1.64/26")]

    [InlineData("", null)]
    [InlineData("\n\n", null)]
    [InlineData("FLANNEL_SUBNET=\n", null)]
    [InlineData("FLANNEL_SUBNET=10.5.1.1\n", null)]
    [InlineData("FLANNEL_SUBNET=10.5.1.1/33\n", null)]
    [InlineData("FLANNEL_SUBNET=10.5/16\n", null)]
    [InlineData("FLANNEL_IPV6_SUBNET=fd00:42:0:41::1/64\n", null)]
    [InlineData("FLANNEL_SUBNET=fd00:42:0:41::1/64\n", null)]
    [InlineData("#FLANNEL_SUBNET=10.5.9.1/24\nFLANNEL_SUBNET=10.5.1.1/24\n", "10.5.1.0/24")]
    [InlineData("OLD_FLANNEL_SUBNET=10.5.9.1/24\nFLANNEL_SUBNET=10.5.1.1/24\n", "10.5.1.0/24")]
    [InlineData("FLANNEL_SUBNET=garbage\nFLANNEL_SUBNET=10.5.1.1/24\n", "10.5.1.0/24")]
    [InlineData("\0\u0001\u0002 --bip=\"\n--bip=", null)]
    public void FindPreviousSubnet_InAFile_KnowsFlannelsAndDockersForms(string text, string? expected) =>
        Assert.Equal(expected is null ? null : IPNetwork.Parse(expected), SubnetEnvironment.FindPreviousSubnet(text));
}
