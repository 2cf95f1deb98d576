using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Cni;

/// <summary>The plugin as a runtime calls it: containerd, with kube-flannel's list of plugins.</summary>
public sealed class ContainerdTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task Container_OfContainerd_ReachesTheOtherHostAndLeavesNothing()
    {
        var lab = await UpAsync(new LabSpec { PodsPerNode = 1, Datapath = LabSpec.BpfDatapath });
        await lab.StartAllAsync(cancel: Cancel);
        var host = new CniHost(lab.Node(1), "1.1");
        // The bridge that the lab has made would be taken, with another address.
        await lab.Node(1).RunAsync("ip", "link", "del", "cni0");
        var flannel = JsonNode.Parse(host.Network())!.AsObject();
        foreach (var key in (string[])["name", "cniVersion"])
            flannel.Remove(key);
        var list = new JsonObject
        {
            ["name"] = "cbr0",
            ["cniVersion"] = "1.0.0",
            ["plugins"] = new JsonArray(flannel, new JsonObject { ["type"] = "portmap", ["capabilities"] = new JsonObject { ["portMappings"] = true } }),
        };
        await using var containerd = await ContainerdHost.StartAsync(lab.Node(1), host, list.ToJsonString());

        var result = await containerd.RunAsync("c1", $"ip addr show eth0; ping -c 3 -W 2 {lab.Pod(2, 1).Address}");

        Output.WriteLine($"{result.Stdout}{result.Stderr}");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains($"inet {lab.Node(1).Subnet().Subnet.BaseAddress.ToString()[..^1]}", result.Stdout, StringComparison.Ordinal);
        Assert.Contains("3 packets received", result.Stdout, StringComparison.Ordinal);
        // The container has ended, and ctr has called DEL.
        Assert.Empty(host.Addresses);
        Assert.Empty(host.Kept);

        // An error of the plugin is readable where the runtime shows it.
        File.Delete(lab.Node(1).SubnetFile);
        var refused = await containerd.RunAsync("c2", "true");
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains($"{lab.Node(1).SubnetFile} is not there", refused.Stderr, StringComparison.Ordinal);
    }
}
