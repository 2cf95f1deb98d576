using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

/// <summary>Against what flannel's mk-docker-opts.sh writes for the same file.</summary>
public sealed class DockerOptionsTests
{
    private const string SubnetFile = "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.60.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

    [Fact]
    public void Both_AreInTheOrderOfTheirNames() => Assert.Equal(
        "DOCKER_OPT_BIP=\"--bip=10.5.60.1/24\"\nDOCKER_OPT_IPMASQ=\"--ip-masq=false\"\nDOCKER_OPT_MTU=\"--mtu=1450\"\n"
        + "DOCKER_OPTS=\" --bip=10.5.60.1/24 --ip-masq=false --mtu=1450\"\n",
        DockerOptions.Parse(SubnetFile, true).ToFileText(true, "DOCKER_OPTS"));

    [Fact]
    public void Individual_HasNoCombined() => Assert.Equal(
        "DOCKER_OPT_BIP=\"--bip=10.5.60.1/24\"\nDOCKER_OPT_IPMASQ=\"--ip-masq=false\"\nDOCKER_OPT_MTU=\"--mtu=1450\"\n",
        DockerOptions.Parse(SubnetFile, true).ToFileText(true, null));

    [Theory]
    [InlineData(null, "DOCKER_NETWORK_OPTIONS=\" --bip=10.5.60.1/24 --mtu=1450\"\n")]
    [InlineData("--debug", "DOCKER_NETWORK_OPTIONS=\"--debug  --bip=10.5.60.1/24 --mtu=1450\"\n")]
    public void Combined_WithoutMasquerade_StandsBehindWhatWasThere(string? before, string expected) =>
        Assert.Equal(expected, DockerOptions.Parse(SubnetFile, false).ToFileText(false, "DOCKER_NETWORK_OPTIONS", before));

    [Theory]
    [InlineData("true", "--ip-masq=false")]
    [InlineData("false", "--ip-masq=true")]
    public void Masquerade_IsDockersWhereItIsNotOurs(string flannel, string docker) => Assert.Contains(
        docker, DockerOptions.Parse($"FLANNEL_SUBNET=10.5.60.1/24\nFLANNEL_IPMASQ={flannel}\n", true).Options.Select(o => o.Value));

    [Fact]
    public void File_WrittenOverSubnetEnv_GivesTheSameOnceMore()
    {
        var first = DockerOptions.Parse(SubnetFile, true).ToFileText(true, "DOCKER_OPTS");

        Assert.Equal(first, DockerOptions.Parse(first, true).ToFileText(true, "DOCKER_OPTS"));
    }

    [Theory]
    [InlineData("export FLANNEL_SUBNET='10.5.60.1/24'\r\n")]
    [InlineData("# FLANNEL_SUBNET=10.5.1.1/24\n  FLANNEL_SUBNET=\"10.5.60.1/24\"  \n")]
    [InlineData("FLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_SUBNET=10.5.60.1/24")]
    public void Settings_AreReadAsAShellDoes(string text) =>
        Assert.Equal("DOCKER_OPT_BIP=\"--bip=10.5.60.1/24\"\n", DockerOptions.Parse(text, true).ToFileText(true, null));

    [Theory]
    [InlineData("", "FLANNEL_SUBNET")]
    [InlineData("FLANNEL_MTU=1450\n", "FLANNEL_SUBNET")]
    [InlineData("FLANNEL_SUBNET=\n", "FLANNEL_SUBNET")]
    [InlineData("#FLANNEL_SUBNET=10.5.60.1/24\n", "FLANNEL_SUBNET")]
    [InlineData("FLANNEL_SUBNET=10.5.60.1/24\nFLANNEL_IPMASQ=yes\n", "FLANNEL_IPMASQ=yes")]
    public void File_ThatCannotBeUsed_NamesTheKey(string text, string key) =>
        Assert.Contains(key, Assert.Throws<FormatException>(() => DockerOptions.Parse(text, true)).Message, StringComparison.Ordinal);
}
