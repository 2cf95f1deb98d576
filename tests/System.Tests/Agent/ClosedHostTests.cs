using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Hosts whose own firewall refuses what the overlay needs, without Docker.</summary>
public sealed class ClosedHostTests(ITestOutputHelper output) : LabTest(output)
{
    private const string Centos = """
        *filter
        :INPUT ACCEPT [0:0]
        :FORWARD ACCEPT [0:0]
        :OUTPUT ACCEPT [0:0]
        -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
        -A INPUT -p icmp -j ACCEPT
        -A INPUT -i lo -j ACCEPT
        -A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
        -A INPUT -j REJECT --reject-with icmp-host-prohibited
        -A FORWARD -j REJECT --reject-with icmp-host-prohibited
        COMMIT

        """;

    private const string DropForwarded = """
        *filter
        :INPUT ACCEPT [0:0]
        :FORWARD DROP [0:0]
        :OUTPUT ACCEPT [0:0]
        COMMIT

        """;

    [Theory]
    [InlineData("iptables-legacy", "kernel")]
    [InlineData("iptables-legacy", "bpf")]
    [InlineData("iptables-nft", "kernel")]
    [InlineData("iptables-nft", "bpf")]
    public async Task Forward_WithPolicyDrop_LetsContainersTalkAsFlannelsRulesDo(string iptables, string datapath)
    {
        var lab = await UpAsync(new LabSpec { Datapath = datapath });
        await CloseAsync(lab, iptables, DropForwarded);
        await lab.StartAllAsync(cancel: Cancel);
        var (one, near, far) = (lab.Node(1), lab.Pod(1, 1), lab.Pod(2, 1));

        await WaitPingAsync(one, far, near);
        await WaitPingAsync(one, near, far);
        // Out to the world, and in where something leads to them.
        Assert.Equal(0, (await near.PingAsync(lab.Layout.EtcdAddress, cancel: Cancel)).Lost);
        await lab.Etcd.RunAsync("ip", "route", "add", $"{near.Address}/32", "via", one.Address.ToString());
        Assert.Equal(0, (await lab.Etcd.PingAsync(near.Address, cancel: Cancel)).Lost);

        // What the operator refuses stays refused: ours are behind it.
        await one.RunAsync(iptables, "-A", "FORWARD", "-d", $"{near.Address}", "-j", "DROP");
        await Wait.UntilAsync(
            "the operator's rule to decide", async () => (await lab.Etcd.PingAsync(near.Address, count: 1, cancel: Cancel)).Lost == 1, explain: one.LogTail, cancel: Cancel);
        Assert.Equal(0, (await near.PingAsync(far.Address, cancel: Cancel)).Received);

        // Loaded anew, told by nobody where it is legacy iptables.
        await CloseAsync(lab, iptables, DropForwarded);
        await WaitPingAsync(one, far, near);

        await one.StopAgentAsync();
        one.StartAgent("--iptables-forward-rules=false", "--shortcut=off");
        await WaitOursAsync(one, iptables, 0);
        Assert.True((await far.PingAsync(near.Address, cancel: Cancel)).Lost > 0);
    }

    [Theory]
    [InlineData("""{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}""", 2)]
    [InlineData("""{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}}""", 5)]
    public async Task Forward_OfPlainRoutes_IsLetThroughOnTheUnderlay(string config, int rules)
    {
        var lab = await UpAsync(new LabSpec { Config = config });
        await CloseAsync(lab, "iptables-nft", Centos);
        await lab.StartAllAsync(cancel: Cancel);

        await WaitPingAsync(lab.Node(1), lab.Pod(2, 1), lab.Pod(1, 1));
        await WaitPingAsync(lab.Node(1), lab.Pod(1, 1), lab.Pod(2, 1));
        await WaitOursAsync(lab.Node(1), "iptables-nft", rules);
    }

    [Theory]
    [InlineData("iptables-legacy", "bpf")]
    [InlineData("iptables-nft", "kernel")]
    [InlineData("iptables-nft", "bpf")]
    public async Task Input_AsCentosHasIt_LetsNodesInAndNobodyElse(string iptables, string datapath)
    {
        var lab = await UpAsync(new LabSpec { Datapath = datapath });
        await CloseAsync(lab, iptables, Centos);
        await lab.StartAllAsync(cancel: Cancel);
        var (one, near, far) = (lab.Node(1), lab.Pod(1, 1), lab.Pod(2, 1));

        await WaitPingAsync(one, far, near);
        await WaitPingAsync(one, near, far);
        await WaitOursAsync(one, iptables, 3);
        Assert.DoesNotContain("port-closed", AgentSocket.Problems(await AgentSocket.StatusAsync(one)));

        // The operator does it himself, and it stays closed: as it was without us.
        await one.StopAgentAsync();
        one.StartAgent("--open-port=false");
        await AgentSocket.WaitAsync(one, "the closed port", s => AgentSocket.Problems(s).Contains("port-closed"));
        Assert.Contains("--open-port=false", (await one.ShowStatusAsync(Cancel)).Stdout, StringComparison.Ordinal);
        await WaitOursAsync(one, iptables, 2);
        Assert.True((await far.PingAsync(near.Address, cancel: Cancel)).Lost > 0);

        // Nor is it opened where no guard keeps strangers out.
        await one.StopAgentAsync();
        one.StartAgent("--guard=off");
        await AgentSocket.WaitAsync(one, "the closed port", s => AgentSocket.Problems(s).Contains("port-closed"));
        await WaitOursAsync(one, iptables, 2);

        await one.StopAgentAsync();
        one.StartAgent();
        await WaitPingAsync(one, far, near);
        await WaitOursAsync(one, iptables, 3);
        var refused = await RefusedAsync();
        await lab.Etcd.RunAsync("bash", "-c", $"printf '\\x08\\0\\0\\0\\0\\0\\x01\\0' >/dev/udp/{one.Address}/8472");
        await AgentSocket.WaitAsync(one, "the stranger's packet among the refused", _ => RefusedAsync().GetAwaiter().GetResult() > refused);

        async Task<int> RefusedAsync()
        {
            var status = await AgentSocket.StatusAsync(one);
            return ((int?)status["guard"]?["refused"]?["unknown_vtep"] ?? 0)
                + (status["lanes"]?.AsArray().Sum(l => (int?)l?["refused"]?["unknown_vtep"] ?? 0) ?? 0);
        }
    }

    private static Task CloseAsync(NetworkLab lab, string iptables, string rules) =>
        lab.EachNodeAsync(async (node, cancel) => (await node.ExecAsync([$"{iptables}-restore"], rules, cancel: cancel)).OrThrow(), Cancel);

    private static Task WaitPingAsync(LabNode node, LabPod from, LabPod to) => Wait.UntilAsync(
        $"{from.Namespace} to reach {to.Namespace}", async () => (await from.PingAsync(to.Address, cancel: Cancel)).Lost == 0, explain: node.LogTail, cancel: Cancel);

    private static Task WaitOursAsync(LabNode node, string iptables, int count) => Wait.UntilAsync(
        $"{count} rules of ours", async () => (await node.RunAsync($"{iptables}-save")).Split('\n').Count(l => l.Contains("accelerated default", StringComparison.Ordinal)) == count,
        explain: node.LogTail, cancel: Cancel);
}
