using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// A node's own side of the underlay changes while the agent runs: device, lease and peers end up right without a restart. flannel looks
/// once, at its start (#408, #760, #1011, #1052).
/// </summary>
public sealed class HostChangeTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly IPAddress Moved = IPAddress.Parse("192.0.2.77");

    // What the agent asks for may be too much by the time it gets there: the kernel refuses a device an MTU that the underlay does not carry.
    [Fact]
    public async Task Mtu_GoesUpAndDownAllTheTime_IsNoReasonForAnotherTransport()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = "kernel" });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        var before = Assert.Single(await lab.Etcd.ListAsync(cancel: Cancel));

        await node.RunAsync("sh", "-ec", "for i in $(seq 400); do ip link set eth0 mtu 1441; ip link set eth0 mtu 1500; done");

        await Wait.UntilAsync("the MTU of now", async () => (int)(await AgentSocket.StatusAsync(node))["mtu"]! == 1450, explain: node.LogTail, cancel: Cancel);
        Assert.Equal(before, Assert.Single(await lab.Etcd.ListAsync(cancel: Cancel)));
        Assert.DoesNotContain("no transport", await File.ReadAllTextAsync($"{node.RunDirectory}/agent.log", Cancel), StringComparison.Ordinal);
        Assert.Equal("ok", (string?)(await AgentSocket.StatusAsync(node))["health"]);
    }

    [Theory]
    [InlineData("kernel")]
    [InlineData("bpf")]
    public async Task Address_IsAnother_LeaseDeviceAndPeersFollow(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Datapath = datapath });
        await lab.StartAllAsync(cancel: Cancel);
        var (one, two) = (lab.Node(1), lab.Node(2));
        var before = await LeaseAsync(lab, one);
        var (agent, file) = (one.AgentProcessId, one.Subnet().Subnet);

        var watch = Stopwatch.StartNew();
        await one.RunAsync("sh", "-ec", $"ip address del {one.Address}/24 dev eth0; ip address add {Moved}/24 dev eth0");

        await Wait.UntilAsync("the lease to say so", async () => (string?)(await LeaseAsync(lab, one))["PublicIP"] == Moved.ToString(), explain: one.LogTail, cancel: Cancel);
        await Wait.UntilAsync("the peer to send there", async () => (await two.RunAsync("bridge", "fdb", "show", "dev", "flannel.1")).Contains($"dst {Moved} ", StringComparison.Ordinal), explain: two.LogTail, cancel: Cancel);
        await WaitPingAsync(lab);
        Output.WriteLine($"containers reach each other after {watch.Elapsed.TotalSeconds:0.0} s");
        var after = await LeaseAsync(lab, one);
        Assert.Equal((string?)before["BackendData"]!["VtepMAC"], (string?)after["BackendData"]!["VtepMAC"]);
        Assert.Contains($"local {Moved} ", await one.RunAsync("ip", "-d", "link", "show", "flannel.1"), StringComparison.Ordinal);
        Assert.Equal((agent, file), (one.AgentProcessId, one.Subnet().Subnet));
        Assert.Equal(2, (await lab.Etcd.ListAsync(cancel: Cancel)).Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Address_IsAnotherWhenTheAgentStarts_SubnetStaysUnlessTheMachineIsACopy(bool isCopy)
    {
        var lab = await UpAsync(new LabSpec { Datapath = "kernel" });
        await lab.StartAllAsync(cancel: Cancel);
        var one = lab.Node(1);
        var before = one.Subnet().Subnet;
        await one.StopAgentAsync();

        await one.RunAsync("sh", "-ec", $"ip address del {one.Address}/24 dev eth0; ip address add {Moved}/24 dev eth0");
        if (isCopy)
            await one.RunAsync("ip", "link", "set", "eth0", "address", "02:00:00:00:00:77");
        one.StartAgent();
        await one.WaitReadyAsync(cancel: Cancel);

        await Wait.UntilAsync(
            "the lease to say so", async () => (await lab.Etcd.ListAsync(cancel: Cancel)).Count(k => k.Value.Contains($"\"{Moved}\"", StringComparison.Ordinal)) == 1, explain: one.LogTail, cancel: Cancel);
        Assert.Equal(isCopy ? 3 : 2, (await lab.Etcd.ListAsync(cancel: Cancel)).Count);
        Assert.Equal(isCopy, one.Subnet().Subnet != before);
        if (!isCopy)
            await WaitPingAsync(lab);
    }

    [Theory]
    [InlineData("kernel")]
    [InlineData("bpf")]
    public async Task Underlay_IsAnotherInterface_DeviceAndLanesMove(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Datapath = datapath });
        await lab.StartAllAsync(cancel: Cancel);
        var one = lab.Node(1);
        await one.StopAgentAsync();
        one.StartAgent("--iface=eth9");
        await one.WaitReadyAsync(cancel: Cancel);
        await PlugAsync(lab, one, "eth9");
        await one.RunAsync("ip", "link", "set", "eth9", "up");

        await one.RunAsync("sh", "-ec", $"ip address del {one.Address}/24 dev eth0; ip address add {Moved}/24 dev eth9");

        await WaitPingAsync(lab);
        Assert.Contains("dev eth9 ", await one.RunAsync("ip", "-d", "link", "show", "flannel.1"), StringComparison.Ordinal);
        Assert.Equal("eth9", (string?)(await AgentSocket.StatusAsync(one))["interface"]);
        if (datapath == "bpf")
            await AgentSocket.WaitAsync(one, "the lanes", s => (string?)s["datapath"] == "bpf");
    }

    [Fact]
    public async Task Interface_IsDeletedAndMadeAnew_EverythingComesBack()
    {
        var lab = await UpAsync(new LabSpec());
        await lab.StartAllAsync(cancel: Cancel);
        var one = lab.Node(1);

        await one.RunAsync("ip", "link", "del", "eth0");
        await AgentSocket.WaitAsync(one, "the missing underlay", s => AgentSocket.Problems(s).Contains("underlay"));
        await PlugAsync(lab, one, "eth0");
        await one.RunAsync("sh", "-ec", $"ip link set eth0 up; ip address add {one.Address}/24 dev eth0");

        await WaitPingAsync(lab);
        await AgentSocket.WaitAsync(one, "no problem", s => !AgentSocket.Problems(s).Any());
    }

    [Fact]
    public async Task Interface_GoesDownAndUp_IsSaidAndComesBack()
    {
        var lab = await UpAsync(new LabSpec());
        await lab.StartAllAsync(cancel: Cancel);
        var one = lab.Node(1);

        await one.RunAsync("ip", "link", "set", "eth0", "down");
        await AgentSocket.WaitAsync(one, "the interface that is down", s => AgentSocket.Problems(s).Contains("underlay-down"));
        await one.RunAsync("ip", "link", "set", "eth0", "up");

        await WaitPingAsync(lab);
        await AgentSocket.WaitAsync(one, "no problem", s => !AgentSocket.Problems(s).Any());
    }

    [Fact]
    public async Task Mtu_IsAnother_DeviceAndSubnetFileFollow()
    {
        var lab = await UpAsync(new LabSpec());
        await lab.StartAllAsync(cancel: Cancel);
        var one = lab.Node(1);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, TimeSpan.FromMilliseconds(10));

        await one.RunAsync("ip", "link", "set", "eth0", "mtu", "1400");

        await Wait.UntilAsync("subnet.env", () => one.Subnet().Mtu == 1350, explain: one.LogTail, cancel: Cancel);
        Assert.Contains("mtu 1350 ", await one.RunAsync("ip", "link", "show", "flannel.1"), StringComparison.Ordinal);
        var result = await ping.StopAsync();
        Assert.Equal(0, result.Lost);
    }

    [Fact]
    public async Task Address_IsInsideTheOverlay_IsSaidAndPeersAreNotTold()
    {
        var lab = await UpAsync(new LabSpec());
        await lab.StartAllAsync(cancel: Cancel);
        var one = lab.Node(1);

        await one.RunAsync("sh", "-ec", $"ip address add 10.5.250.7/24 dev eth0; ip address del {one.Address}/24 dev eth0");

        await AgentSocket.WaitAsync(one, "the address", s => AgentSocket.Problems(s).Contains("address"));
        Assert.Contains("overlaps the underlay", (await one.ShowStatusAsync(Cancel)).Stdout, StringComparison.Ordinal);
        Assert.Equal(one.Address.ToString(), (string?)(await LeaseAsync(lab, one))["PublicIP"]);

        await one.RunAsync("sh", "-ec", $"ip address add {one.Address}/24 dev eth0; ip address del 10.5.250.7/24 dev eth0");
        await WaitPingAsync(lab);
        await AgentSocket.WaitAsync(one, "no problem", s => !AgentSocket.Problems(s).Any());
    }

    /// <summary>A new wire from a node to the switch, as if a card had been put in.</summary>
    private static async Task PlugAsync(NetworkLab lab, LabNode node, string name)
    {
        await node.RunAsync("ip", "link", "add", name, "type", "veth", "peer", "name", $"x{name}", "netns", lab.Layout.SwitchNamespace);
        await node.RunAsync("ip", "-n", lab.Layout.SwitchNamespace, "link", "set", $"x{name}", "master", "sw0", "up");
    }

    private static async Task<JsonNode> LeaseAsync(NetworkLab lab, LabNode node)
    {
        var key = $"{LabEtcd.Prefix}/subnets/{node.Subnet().Subnet.ToString().Replace('/', '-')}";
        return JsonNode.Parse((await lab.Etcd.CtlAsync("get", key, "--print-value-only")).Trim())!;
    }

    private static async Task WaitPingAsync(NetworkLab lab)
    {
        await Wait.UntilAsync(
            "the containers to reach each other", async () => (await lab.Pod(1, 1).PingAsync(lab.Pod(2, 1).Address, cancel: Cancel)).Lost == 0,
            explain: lab.Node(1).LogTail, cancel: Cancel);
        Assert.Equal(0, (await lab.Pod(2, 1).PingAsync(lab.Pod(1, 1).Address, cancel: Cancel)).Lost);
    }
}
