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

    private const string SubnetEnv = "FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.60.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
    private const string Bip = "DOCKER_OPT_BIP=\"--bip=10.5.60.1/24\"\n", IpMasq = "DOCKER_OPT_IPMASQ=\"--ip-masq=false\"\n", Mtu = "DOCKER_OPT_MTU=\"--mtu=1450\"\n";

    // The options, and the file that mk-docker-opts.sh makes with them out of the above.
    public static TheoryData<string, string> MkDockerOpts => new()
    {
        { "", Bip + IpMasq + Mtu + "DOCKER_OPTS=\" --bip=10.5.60.1/24 --ip-masq=false --mtu=1450\"\n" },
        { "-i", Bip + IpMasq + Mtu },
        { "-c", "DOCKER_OPTS=\" --bip=10.5.60.1/24 --ip-masq=false --mtu=1450\"\n" },
        { "-i -c", Bip + IpMasq + Mtu + "DOCKER_OPTS=\" --bip=10.5.60.1/24 --ip-masq=false --mtu=1450\"\n" },
        { "-m", Bip + Mtu + "DOCKER_OPTS=\" --bip=10.5.60.1/24 --mtu=1450\"\n" },
        { "-i -m", Bip + Mtu },
        { "-cm", "DOCKER_OPTS=\" --bip=10.5.60.1/24 --mtu=1450\"\n" },
        { "-k DOCKER_NETWORK_OPTIONS", Bip + IpMasq + Mtu + "DOCKER_NETWORK_OPTIONS=\" --bip=10.5.60.1/24 --ip-masq=false --mtu=1450\"\n" },
        { "-c -k DOCKER_NETWORK_OPTIONS", "DOCKER_NETWORK_OPTIONS=\" --bip=10.5.60.1/24 --ip-masq=false --mtu=1450\"\n" },
        { "-mck DOCKER_NETWORK_OPTIONS", "DOCKER_NETWORK_OPTIONS=\" --bip=10.5.60.1/24 --mtu=1450\"\n" },
        { "-i -k UNUSED", Bip + IpMasq + Mtu },
    };

    [Theory]
    [MemberData(nameof(MkDockerOpts))]
    public async Task Options_InEveryCombination_MakeTheFileThatFlannelsScriptMakes(string options, string expected)
    {
        var (input, file) = ($"{Node.RunDirectory}/golden.env", $"{Node.RunDirectory}/golden.docker");
        await File.WriteAllTextAsync(input, SubnetEnv, Cancel);

        var result = await Node.DockerOptsAsync(["-f", input, "-d", file, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);

        Assert.Equal((0, "", ""), (result.ExitCode, result.Stdout, result.Stderr));
        Assert.Equal(expected, await File.ReadAllTextAsync(file, Cancel));
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
