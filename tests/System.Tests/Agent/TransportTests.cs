using System.Text.Json.Nodes;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>How packets travel to each peer: by VXLAN, by a plain route, and what a node does that cannot have VXLAN.</summary>
public sealed class TransportTests(ITestOutputHelper output) : LabTest(output)
{
    private const string DirectRouting = """{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}}""";
    private const string HostGw = """{"Network":"10.5.0.0/16","SubnetLen":26,"Backend":{"Type":"host-gw"}}""";

    /// <summary>Another device of our VNI on our port, so that ours cannot be made.</summary>
    private static readonly string[] Squat =
        ["ip", "link", "add", "squatter", "type", "vxlan", "id", "1", "dstport", "8472", "nolearning", "local", "192.0.2.1", "dev", "eth0"];

    [Theory]
    [InlineData("kernel")]
    [InlineData("bpf")]
    public async Task DirectRouting_PeersOnLink_SendPlainPacketsAndTheOthersVxlan(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 3, Datapath = datapath, Config = DirectRouting, AgentFlags = ["--reconcile-interval=1s"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);
        Assert.Equal(1450, node.Subnet().Mtu);
        await using var wire = await node.StartCaptureAsync("eth0", "icmp or udp port 8472", Cancel);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        await wire.WaitPacketsAsync(8, cancel: Cancel);

        Assert.Empty(await wire.LinesAsync("udp", "port", "8472"));
        Assert.All(await PeersAsync(node), p => Assert.Equal("direct", (string?)p!["transport"]));
        var routes = await RoutesAsync(node);
        Assert.Equal([.. lab.Nodes.Skip(1).Select(n => $"{n.Subnet().Subnet} via {n.Address} dev eth0 proto 143").Order(StringComparer.Ordinal)], routes);
        Assert.Empty(await node.BridgeAsync("fdb", "show", "dev", Overlay.Device));

        // Node 3 leaves our link: its underlay address is now by way of a gateway. The route to it becomes a tunnel, and no ping is lost.
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(3, 1).Address, TimeSpan.FromMilliseconds(2));
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        await node.RunAsync("ip", "route", "add", $"{lab.Node(3).Address}/32", "via", lab.Node(2).Address.ToString(), "dev", "eth0");
        await lab.Node(2).RunAsync("sysctl", "-qw", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0");
        await AgentSocket.WaitAsync(node, "the tunnel", s => Transport(s, lab.Node(3)) == "vxlan");
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        await node.RunAsync("ip", "route", "del", $"{lab.Node(3).Address}/32");
        await AgentSocket.WaitAsync(node, "the plain route", s => Transport(s, lab.Node(3)) == "direct");
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("kernel")]
    public async Task HostGw_Network_NeedsNoDeviceAndOutlivesTheAgent(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 3, Datapath = datapath, Config = HostGw, AgentFlags = ["--reconcile-interval=1s"] });
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);

        Assert.Equal((1500, 26), (node.Subnet().Mtu, node.Subnet().Subnet.PrefixLength));
        Assert.Empty(await node.IpAsync("link", "show", "type", "vxlan"));
        var own = (await lab.Etcd.ListAsync(cancel: Cancel)).KeyOf(node);
        Assert.Equal($$"""{"PublicIP":"{{node.Address}}","PublicIPv6":null,"BackendType":"host-gw"}""", own.Value);
        var status = await node.StatusAsync(Cancel);
        Assert.Equal(("host-gw", "ok"), ((string?)status["datapath"], (string?)status["health"]));
        Assert.Contains("plain routes (host-gw), 2 of 2 peers", (string?)status["summary"], StringComparison.Ordinal);
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(3, 1), lab.Pod(2, 1))]);

        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, TimeSpan.FromMilliseconds(2));
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        await node.KillAgentAsync();
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        var routes = await RoutesAsync(node);
        await node.RunAsync("ip", "route", "add", "10.5.200.0/26", "via", lab.Node(2).Address.ToString(), "dev", "eth0"); // flannel's, of a node long gone.
        await node.WaitAgentAsync("the stale route to go", async () => routes.SequenceEqual(await RoutesAsync(node)), cancel: Cancel);
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
        await node.RunAsync("sh", "-ec", $"ip route del {lab.Node(2).Subnet().Subnet}");
        await node.WaitAgentAsync("the route", async () => routes.SequenceEqual(await RoutesAsync(node)), TimeSpan.FromSeconds(3), Cancel);

        await node.StopAgentAsync();
        Assert.Equal(routes, await RoutesAsync(node));
        (await node.CleanupAsync()).OrThrow();
        Assert.Empty(await RoutesAsync(node));
    }

    [Fact]
    public async Task HostGw_PublicIPOfNoInterface_RefusesToStartAndNamesTheFlag()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Config = HostGw });
        lab.Node(1).StartAgent("--public-ip=203.0.113.7");

        Assert.Equal(1, await lab.Node(1).WaitAgentExitAsync(cancel: Cancel));
        Assert.Contains("--public-ip=203.0.113.7 is not the address of eth0", lab.Node(1).LogTail(), StringComparison.Ordinal);
        Assert.Empty(await lab.Etcd.ListAsync(cancel: Cancel));
    }

    [Theory]
    [InlineData("kernel")]
    [InlineData("auto")]
    public async Task Vxlan_TakenByAnotherDevice_FallsBackToHostGwAndComesBackWithoutLoss(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 3, Datapath = datapath, AgentFlags = ["--reconcile-interval=1s"] });
        var node = lab.Node(1);
        await node.RunAsync(Squat);
        await lab.StartAllAsync(cancel: Cancel);
        Output.WriteLine((await node.ShowStatusAsync(Cancel)).Stdout);

        var status = await AgentSocket.WaitAsync(node, "host-gw", s => (string?)s["datapath"] == "host-gw");
        Assert.Contains("VNI 1 on UDP port 8472 is in use by another device", (string?)status["datapathReason"], StringComparison.Ordinal);
        Assert.Equal(["host-gw"], AgentSocket.Problems(status));
        Assert.Equal("direct", Transport(await AgentSocket.WaitAsync(lab.Node(2), "the plain route", s => Transport(s, node) == "direct"), node));
        Assert.Equal("vxlan", Transport(await lab.Node(2).StatusAsync(Cancel), lab.Node(3)));
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(3, 1), lab.Pod(1, 1)), (lab.Pod(3, 1), lab.Pod(2, 1))]);

        // A restart finds the lease as it was left and does not go to and fro.
        var own = (await lab.Etcd.ListAsync(cancel: Cancel)).KeyOf(node);
        await node.StopAgentAsync();
        node.StartAgent();
        await AgentSocket.WaitAsync(node, "host-gw", s => (string?)s["datapath"] == "host-gw" && (bool?)s["ready"] == true);
        Assert.Equal(own, (await lab.Etcd.ListAsync(cancel: Cancel)).KeyOf(node));

        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address, TimeSpan.FromMilliseconds(2));
        await using var back = lab.Pod(3, 1).StartPing(lab.Pod(1, 1).Address, TimeSpan.FromMilliseconds(2));
        await ping.WaitAnswersAsync(50, cancel: Cancel);
        await node.RunAsync("ip", "link", "del", "squatter");
        await AgentSocket.WaitAsync(lab.Node(2), "the tunnel", s => Transport(s, node) == "vxlan");
        await AgentSocket.WaitAsync(lab.Node(3), "the tunnel", s => Transport(s, node) == "vxlan");
        var well = await AgentSocket.WaitAsync(node, "vxlan", s => (string?)s["datapath"] is "kernel" or "bpf");
        Assert.DoesNotContain("host-gw", AgentSocket.Problems(well));
        await ping.WaitAnswersAsync(200, cancel: Cancel);
        Assert.Equal((0, 0), ((await ping.StopAsync()).Lost, (await back.StopAsync()).Lost));
    }

    [Fact]
    public async Task Vxlan_TakenBesideFlannel_SaysNoTransportAndLeavesTheLease()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1 });
        var node = lab.Node(1);
        const string Flannel = """{"PublicIP":"192.0.2.77","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"6e:0b:24:f3:bc:5a"}}""";
        await lab.Etcd.CtlAsync("put", $"{LabEtcd.Prefix}/subnets/10.5.88.0-24", Flannel);
        await node.RunAsync(Squat);
        node.StartAgent();

        var status = await AgentSocket.WaitAsync(node, "the verdict", s => (string?)s["datapath"] == "none" && AgentSocket.Problems(s).Contains("no-transport"));
        Output.WriteLine((await node.ShowStatusAsync(Cancel)).Stdout);
        Assert.Equal("critical", (string?)status["health"]);
        var message = (string?)status["problems"]![0]!["message"];
        Assert.Contains("VNI 1 on UDP port 8472 is in use by another device", message, StringComparison.Ordinal);
        Assert.Contains("10.5.88.0-24 (192.0.2.77)", message, StringComparison.Ordinal);
        Assert.Equal("vxlan", (string?)JsonNode.Parse((await lab.Etcd.ListAsync(cancel: Cancel)).KeyOf(node).Value)!["BackendType"]);

        await node.RunAsync("ip", "link", "del", "squatter");
        await node.WaitReadyAsync(cancel: Cancel);
        Assert.Equal("ok", (string?)(await AgentSocket.WaitAsync(node, "health", s => (string?)s["health"] == "ok"))["health"]);
    }

    [Fact]
    public async Task HostGw_ByFlagInAVxlanNetwork_IsUsedByThisNodeAlone()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 3, AgentFlags = ["--reconcile-interval=1s"] });
        lab.Node(1).StartAgent("--datapath=host-gw");
        lab.Node(2).StartAgent();
        lab.Node(3).StartAgent();
        await lab.EachNodeAsync(async (n, cancel) => await n.WaitReadyAsync(cancel: cancel), Cancel);
        await lab.EachNodeAsync(async (n, cancel) => await n.AttachPodsAsync(cancel), Cancel);
        await AgentSocket.WaitAsync(lab.Node(2), "the plain route", s => Transport(s, lab.Node(1)) == "direct");
        await AgentSocket.WaitAsync(lab.Node(3), "the plain route", s => Transport(s, lab.Node(1)) == "direct");
        await lab.WaitRoutesAsync(cancel: Cancel);
        var status = await AgentSocket.WaitAsync(lab.Node(1), "health", s => (string?)s["health"] == "ok");

        Assert.Equal("host-gw", (string?)status["datapath"]);
        Assert.Empty(await lab.Node(1).IpAsync("link", "show", "type", "vxlan"));
        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1)), (lab.Pod(3, 1), lab.Pod(1, 1)), (lab.Pod(3, 1), lab.Pod(2, 1))]);
    }

    private static async Task<IEnumerable<JsonNode?>> PeersAsync(LabNode node) => (await node.StatusAsync(Cancel))["peers"]!.AsArray();

    private static string? Transport(JsonObject status, LabNode peer) =>
        (string?)status["peers"]!.AsArray().SingleOrDefault(p => (string?)p!["publicIP"] == peer.Address.ToString())?["transport"];

    /// <summary>Routes out of the underlay interface that the kernel did not make, as ip shows them, in order.</summary>
    private static async Task<List<string>> RoutesAsync(LabNode node) =>
        [.. (await node.RunAsync("ip", "-4", "route", "show", "dev", "eth0")).Split('\n').Select(l => l.Trim())
            .Where(l => l.Length > 0 && !l.Contains("proto kernel", StringComparison.Ordinal))
            .Select(l => l.Replace(" proto", " dev eth0 proto", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
}
