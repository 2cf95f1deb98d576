using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary><c>accelerated docker-opts</c> as a unit file runs it after the agent.</summary>
public sealed class DockerOptsTests(RestartTests.TwoNodes shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<RestartTests.TwoNodes>
{
    private LabNode Node => Lab.Node(1);

    [Fact]
    public async Task File_ForDocker_HasWhatTheAgentWrote()
    {
        var file = $"{Node.RunDirectory}/docker.env";

        var result = await Node.DockerOptsAsync("-f", Node.SubnetFile, "-d", file, "-ck", "DOCKER_NETWORK_OPTIONS");

        Assert.Equal((0, "", ""), (result.ExitCode, result.Stdout, result.Stderr));
        var bip = (await File.ReadAllLinesAsync(Node.SubnetFile, Cancel)).Single(l => l.StartsWith("FLANNEL_SUBNET=", StringComparison.Ordinal)).Split('=')[1];
        Assert.Equal($"DOCKER_NETWORK_OPTIONS=\" --bip={bip} --ip-masq=false --mtu=1450\"\n", await File.ReadAllTextAsync(file, Cancel));
        Assert.Equal(Convert.ToInt32("644", 8), (int)File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task SubnetFile_WrittenOver_IsLeftAloneAndStillTellsTheSubnet()
    {
        var (before, subnet) = (await File.ReadAllTextAsync(Node.SubnetFile, Cancel), Node.Subnet().Subnet);
        Assert.Equal(0, (await Node.DockerOptsAsync("-f", Node.SubnetFile, "-d", Node.SubnetFile)).ExitCode);
        var over = await File.ReadAllTextAsync(Node.SubnetFile, Cancel);

        Assert.Equal(0, (await Node.DockerOptsAsync("-f", Node.SubnetFile, "-d", Node.SubnetFile)).ExitCode);

        Assert.Equal(over, await File.ReadAllTextAsync(Node.SubnetFile, Cancel));
        Assert.Contains($"DOCKER_OPT_BIP=\"--bip={subnet.ToString().Replace(".0/", ".1/", StringComparison.Ordinal)}\"", over, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Node.SubnetFile, before, Cancel);
    }

    [Theory]
    [InlineData("-f", "/nowhere/subnet.env", 1, "-f /nowhere/subnet.env is not there")]
    [InlineData("-d", "/nowhere/docker.env", 1, "-d /nowhere/docker.env cannot be written")]
    [InlineData("-k", "DOCKER OPTS", 2, "-k DOCKER OPTS")]
    public async Task Option_ThatCannotBeUsed_IsNamed(string option, string value, int code, string words)
    {
        string[] file = option == "-f" ? [] : ["-f", Node.SubnetFile];

        var result = await Node.DockerOptsAsync([.. file, option, value]);

        Assert.Equal(code, result.ExitCode);
        Assert.Contains(words, result.Stderr, StringComparison.Ordinal);
    }
}
