using System.Text.RegularExpressions;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>The other way that docs/docker.md has: Docker's own bridge stays as it is, and a network of Docker gets the node's subnet. Its commands as they stand there.</summary>
public sealed partial class DockerNetworkTests(ITestOutputHelper output) : LabTest(output)
{
    [Theory]
    [InlineData("20.10", "bpf")]
    [InlineData("latest", "kernel")]
    public async Task Network_WithTheNodesSubnet_ReachesThatOfTheOtherHostAndTheOutside(string version, string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, PodsPerNode = 0, Datapath = datapath });
        var hosts = new List<DockerHost>();
        try
        {
            foreach (var node in lab.Nodes)
            {
                node.StartAgent();
                await node.WaitReadyAsync(cancel: Cancel);
                var host = await DockerHost.StartAsync(node, version);
                hosts.Add(host);
                await host.ShellAsync(Commands().Replace("/run/flannel/subnet.env", node.SubnetFile, StringComparison.Ordinal));
            }

            await lab.WaitRoutesAsync(cancel: Cancel);
            var near = await hosts[0].AddContainerAsync("near", "--network", "overlay", "-p", "8080:80");
            var far = await hosts[1].AddContainerAsync("far", "--network", "overlay");

            Assert.True(lab.Node(1).Subnet().Subnet.Contains(near), $"{near} is not of the node's subnet");
            Assert.Contains("mtu 1450 ", await hosts[0].RunAsync("exec", "near", "ip", "link", "show", "eth0"), StringComparison.Ordinal);
            await Wait.UntilAsync("containers to reach each other", async () => await hosts[0].PingAsync("near", far) && await hosts[1].PingAsync("far", near), explain: lab.Node(1).LogTail, cancel: Cancel);
            Assert.Equal("hello from far", await hosts[0].FetchAsync("near", $"http://{far}/"));
            Assert.Equal("hello from near", (await lab.Node(2).RunAsync("curl", "-s", "-m", "3", $"http://{lab.Node(1).Address}:8080/")).Trim());
            // The outside knows nothing of containers' addresses: it is reached by the node's.
            Assert.True(await hosts[0].PingAsync("near", lab.Node(2).Address), lab.Node(1).LogTail());
        }
        finally
        {
            foreach (var host in hosts)
                await host.DisposeAsync();
        }
    }

    private static string Commands()
    {
        var page = File.ReadAllText(Path.Combine(LabTools.Repository!, "docs", "docker.md"));
        return string.Join('\n', NetworkBlock().Match(page).Groups[1].Value.Split('\n').Select(l => l.Trim()));
    }

    [GeneratedRegex(@"(?<=\n)((?:    [^\n]*\n)*    docker network create(?:[^\n]*\n)(?:    [^\n]*\n)*)")]
    private static partial Regex NetworkBlock();
}
