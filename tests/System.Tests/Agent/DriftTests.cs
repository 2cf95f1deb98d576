using System.Diagnostics;
using System.Text.Json.Nodes;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// Whatever someone does to the overlay by hand is undone at once: by the kernel's notifications, since the timer of these agents
/// is set to an hour. What is not the agent's is left alone.
/// </summary>
public abstract class DriftTests<TLab>(TLab shared, ITestOutputHelper output) : SharedLabTest(shared, output), IClassFixture<TLab>
    where TLab : SharedLab
{
    private const string ForeignRules = "add table ip6 foreign; add chain ip6 foreign c; add rule ip6 foreign c counter";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private LabNode Node => Lab.Node(1);

    // Where one blow has several parts, the agent is stopped meanwhile: it repairs the first faster than a shell does the second.
    [Theory]
    [InlineData("ip link del flannel.1")]
    [InlineData("ip link set flannel.1 down")]
    [InlineData("ip link set flannel.1 address 02:00:00:00:00:99")]
    [InlineData("ip link set flannel.1 mtu 1300")]
    [InlineData("kill -STOP AGENT; ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dev eth0 dstport 4789; kill -CONT AGENT")]
    [InlineData("ip link set flannel.1 down; ip link set flannel.1 address 02:00:00:00:00:99; ip link set flannel.1 up")]
    [InlineData("ip address del OWN dev flannel.1")]
    [InlineData("ip address add 10.5.200.1/32 dev flannel.1")]
    [InlineData("ip route del SUBNET")]
    [InlineData("ip route flush dev flannel.1")]
    [InlineData("ip route replace blackhole SUBNET")]
    [InlineData("ip route replace SUBNET via 192.0.2.2 dev eth0")]
    [InlineData("ip route add 10.5.222.0/24 via 10.5.222.0 dev flannel.1 onlink")]
    [InlineData("ip route add 203.0.113.128/25 dev flannel.1")]
    [InlineData("ip neighbour del VTEP dev flannel.1")]
    [InlineData("ip neighbour replace VTEP lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent")]
    [InlineData("ip neighbour replace VTEP lladdr MAC dev flannel.1 nud stale")]
    [InlineData("ip neighbour add 10.5.222.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent")]
    [InlineData("bridge fdb del MAC dev flannel.1 dst 192.0.2.2")]
    [InlineData("bridge fdb replace MAC dev flannel.1 dst 192.0.2.99")]
    [InlineData("bridge fdb append 00:00:00:00:00:00 dev flannel.1 dst 192.0.2.99")]
    [InlineData("bridge fdb add 02:00:00:00:00:99 dev flannel.1 dst 192.0.2.99")]
    [InlineData("nft delete table inet accelerated-default")]
    [InlineData("nft flush chain inet accelerated-default forward")]
    [InlineData("nft delete rule inet accelerated-default postrouting handle $(nft -a list table inet accelerated-default | sed -n '/masquerade/s/.*handle //p' | head -1)")]
    [InlineData("nft insert rule inet accelerated-default forward drop")]
    [InlineData("nft flush ruleset")]
    [InlineData("kill -STOP AGENT; ip link del flannel.1; nft flush ruleset; ip route add SUBNET via 192.0.2.2 dev eth0; kill -CONT AGENT")]
    public async Task Overlay_SomeoneMeddles_IsRepairedAtOnceAndNothingElseIsTouched(string meddling)
    {
        await Node.RunAsync("nft", ForeignRules);
        var (overlay, rules, foreign) = (await Overlay.OfKernelAsync(Node), await Overlay.RulesAsync(Node), await ForeignAsync());
        var repairs = Repairs(await AgentSocket.StatusAsync(Node));
        var (own, peer) = (Node.Subnet().Subnet.BaseAddress, Lab.Node(2).Subnet().Subnet);
        var script = meddling.Replace("OWN", $"{own}/32").Replace("SUBNET", $"{peer}").Replace("VTEP", $"{peer.BaseAddress}")
            .Replace("MAC", await PeerMacAsync()).Replace("AGENT", $"{Node.AgentProcessId}");
        var watch = Stopwatch.StartNew();

        await Node.RunAsync("sh", "-ec", script);

        // The agent says that it repaired something, so the kernel is not merely looked at before the damage.
        await AgentSocket.WaitAsync(Node, "another repair", s => Repairs(s) > repairs, Limit);
        await Overlay.WaitAsync(Node, overlay, Limit);
        await Wait.UntilAsync("the rules", async () => await Overlay.RulesAsync(Node) == rules, Limit, Node.LogTail, Cancel);
        Output.WriteLine($"measured: {watch.Elapsed.TotalMilliseconds:0} ms until seen repaired: {script}");
        if (!meddling.Contains("flush ruleset", StringComparison.Ordinal))
            Assert.Contains("counter", await Node.RunAsync("nft", "list", "table", "ip6", "foreign"), StringComparison.Ordinal);
        Assert.Equal(foreign, await ForeignAsync());
        await Overlay.PingAsync([(Lab.Pod(1, 1), Lab.Pod(2, 1))]);
    }

    private static long Repairs(JsonObject status) => (long)status["reconcile"]!["repairs"]!;

    private async Task<string> PeerMacAsync() => (string)(await AgentSocket.StatusAsync(Node))["peers"]![0]!["vtepMac"]!;

    private Task<string> ForeignAsync() => Node.RunAsync("sh", "-ec", """
        ip -4 route show table main | grep -v flannel.1
        ip -4 route show table 100
        ip -4 address show dev lo
        ip neighbour show dev eth0 nud permanent
        bridge fdb show dev veth1 | grep 02:00:00:00:00:98
        """);
}

/// <summary>Two hosts, one of which holds things that look like the agent's and are not.</summary>
public class DriftLab() : SharedLab(new LabSpec { AgentFlags = ["--reconcile-interval=1h"] })
{
    /// <inheritdoc/>
    protected override async Task PrepareAsync(NetworkLab lab)
    {
        await base.PrepareAsync(lab);
        await lab.Node(1).RunAsync("sh", "-ec", """
            ip route add 203.0.113.0/24 via 192.0.2.2
            ip route add 10.5.251.0/24 dev cni0
            ip route add 10.5.253.0/24 via 192.0.2.253 dev eth0 proto static
            ip route add 10.5.252.0/24 via 192.0.2.2 dev eth0 table 100
            ip address add 10.5.250.1/32 dev lo
            ip neighbour add 192.0.2.98 lladdr 02:00:00:00:00:98 dev eth0 nud permanent
            bridge fdb add 02:00:00:00:00:98 dev veth1 master static
            """);
    }
}

/// <summary>The same with etcd dead.</summary>
public sealed class DriftWithoutEtcdLab : DriftLab
{
    /// <inheritdoc/>
    protected override async Task PrepareAsync(NetworkLab lab)
    {
        await base.PrepareAsync(lab);
        await lab.Etcd.StopAsync("KILL");
    }
}

/// <inheritdoc cref="DriftTests{TLab}"/>
public sealed class DriftWithEtcdTests(DriftLab shared, ITestOutputHelper output) : DriftTests<DriftLab>(shared, output);

/// <inheritdoc cref="DriftTests{TLab}"/>
public sealed class DriftWithoutEtcdTests(DriftWithoutEtcdLab shared, ITestOutputHelper output) : DriftTests<DriftWithoutEtcdLab>(shared, output);
