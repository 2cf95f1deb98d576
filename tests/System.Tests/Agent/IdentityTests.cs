using System.Net;
using System.Text.RegularExpressions;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>The address a node is known by: two nodes with one, and one that is not its interface's.</summary>
public sealed partial class IdentityTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task TwoAgents_WithOnePublicIP_TheSecondSaysSoAndTheFirstGoesOn()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 3, Datapath = "kernel" });
        var (first, second, third) = (lab.Node(1), lab.Node(2), lab.Node(3));
        foreach (var node in (LabNode[])[first, third])
        {
            node.StartAgent();
            await node.WaitReadyAsync(cancel: Cancel);
            await node.AttachPodsAsync(Cancel);
        }

        await lab.WaitRoutesAsync(cancel: Cancel);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(3, 1).Address);
        await ping.WaitAnswersAsync(10, cancel: Cancel);
        var mac = (string)(await AgentSocket.StatusAsync(first))["vtepMac"]!;

        second.StartAgent($"--public-ip={first.Address}");
        var status = await AgentSocket.WaitAsync(second, "the problem", s => AgentSocket.Problems(s).Contains("lease-disputed"));

        var shown = await second.ShowStatusAsync(Cancel);
        Output.WriteLine(shown.Stdout);
        Assert.Equal(1, shown.ExitCode);
        Assert.Equal("critical", (string?)status["health"]);
        Assert.Contains($"another node has PublicIP {first.Address} too", shown.Stdout, StringComparison.Ordinal);
        Assert.Contains($"its VTEP MAC is {mac}, this node's {mac}", shown.Stdout, StringComparison.Ordinal);
        Assert.Contains("--public-ip", shown.Stdout, StringComparison.Ordinal);
        Assert.Equal("ok", (string?)(await AgentSocket.StatusAsync(first))["health"]);
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);

        // Started again it is no wiser: what it wrote last is not what stands there. For the first that is the second time in an hour.
        await second.StopAgentAsync();
        second.StartAgent($"--public-ip={first.Address}");
        await AgentSocket.WaitAsync(first, "the problem", s => AgentSocket.Problems(s).Contains("lease-disputed"));

        // The remedy: its own address. It leaves the subnet, and what it wrote there, to the first, whose containers keep their addresses.
        var subnet = first.Subnet().Subnet;
        await second.StopAgentAsync();
        second.StartAgent();
        await AgentSocket.WaitAsync(second, "health", s => (string?)s["health"] == "ok" && (bool)s["ready"]!);
        Assert.Contains($"claimed as {first.Address}, which is not this node", second.LogTail(), StringComparison.Ordinal);
        await AgentSocket.WaitAsync(first, "health", s => (string?)s["health"] == "ok");
        // The dispute is over as soon as the key is gone, and the key is put right after that.
        await Wait.UntilAsync("a key for each node", async () => (await lab.Etcd.ListAsync(cancel: Cancel)).Count == 3, cancel: Cancel);
        Assert.Equal(subnet, first.Subnet().Subnet);
        Assert.NotEqual(subnet, second.Subnet().Subnet);
        Assert.Equal(mac, (string?)(await AgentSocket.StatusAsync(first))["vtepMac"]);
        Assert.NotEqual(mac, (string?)(await AgentSocket.StatusAsync(second))["vtepMac"]);
        await second.AttachPodsAsync(Cancel);
        await lab.WaitRoutesAsync(cancel: Cancel);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(3, 1)), (lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(2, 1), lab.Pod(3, 1))]);
    }

    // As in a cloud that gives hosts a public address by NAT: outside node 1 is 192.0.2.101, inside 192.0.2.1.
    [Theory]
    [InlineData("kernel")]
    [InlineData("auto")]
    public async Task PublicIP_ThatIsNotTheInterfaces_IsWhatPeersAreToldAndNeverASource(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, Datapath = datapath });
        var publicIP = IPAddress.Parse("192.0.2.101");
        var (behind, peer) = (lab.Node(1), lab.Node(2));
        var mac = (string)(await behind.IpAsync("link", "show", "dev", "eth0"))[0]["address"]!;
        await peer.RunAsync("ip", "neighbour", "add", publicIP.ToString(), "lladdr", mac, "dev", "eth0", "nud", "permanent");
        await lab.Switch.RunAsync("nft", $$"""
            add table netdev nat
            add chain netdev nat from_node1 { type filter hook ingress device "node1" priority 0; }
            add rule netdev nat from_node1 udp dport 8472 ip saddr {{behind.Address}} ip saddr set {{publicIP}}
            add chain netdev nat from_node2 { type filter hook ingress device "node2" priority 0; }
            add rule netdev nat from_node2 ip daddr {{publicIP}} ip daddr set {{behind.Address}}
            """);
        behind.StartAgent($"--public-ip={publicIP}");
        peer.StartAgent();
        foreach (var node in lab.Nodes)
        {
            await node.WaitReadyAsync(cancel: Cancel);
            await node.AttachPodsAsync(Cancel);
        }

        await lab.WaitRoutesAsync(cancel: Cancel);
        await using var inside = await behind.StartCaptureAsync("eth0", "udp dst port 8472", Cancel);
        await using var outside = await peer.StartCaptureAsync("eth0", "udp dst port 8472", Cancel);

        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);

        Assert.Equal([$"{behind.Address} > {peer.Address}", $"{peer.Address} > {behind.Address}"], await PairsAsync(inside));
        Assert.Equal([$"{publicIP} > {peer.Address}", $"{peer.Address} > {publicIP}"], await PairsAsync(outside));
        Assert.Equal(behind.Address.ToString(), (string?)(await behind.IpAsync("link", "show", "dev", Overlay.Device))[0]["linkinfo"]!["info_data"]!["local"]);
        Assert.Single(await lab.Etcd.ListAsync(cancel: Cancel), k => k.Value.Contains($"\"PublicIP\":\"{publicIP}\"", StringComparison.Ordinal));
        Assert.Equal("ok", (string?)(await AgentSocket.StatusAsync(peer))["health"]);
    }

    /// <summary>Who sends to whom on the outside, each pair once.</summary>
    private static async Task<string[]> PairsAsync(PacketCapture capture)
    {
        await capture.WaitPacketsAsync(8, cancel: Cancel);
        // IP 192.0.2.1.41394 > 192.0.2.2.8472: … and the inner packet on a line of its own.
        return
        [
            .. (await capture.LinesAsync("-t")).Select(l => Outer().Match(l)).Where(m => m.Success)
                .Select(m => $"{m.Groups[1].Value} > {m.Groups[2].Value}").Distinct().Order(StringComparer.Ordinal),
        ];
    }

    [GeneratedRegex(@"^IP (192\.0\.2\.\d+)\.\d+ > (192\.0\.2\.\d+)\.8472")]
    private static partial Regex Outer();
}
