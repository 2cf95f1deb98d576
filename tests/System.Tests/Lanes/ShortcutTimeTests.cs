using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Conntrack does not see what the shortcut carries, and yet a flow is remembered while it lives and forgotten when it has ended.</summary>
public sealed class ShortcutTimeTests(ITestOutputHelper output) : LabTest(output)
{
    private const int UdpTimeout = 4;

    [Fact]
    public async Task Udp_IdleBeyondTheTimeout_BeginsAnewAndGoesOn()
    {
        var lab = await UpAsync();
        await using var talk = await Talk.StartAsync("udp", lab.Pod(1, 1), lab.Pod(2, 1));
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);

        talk.Pause();
        foreach (var node in lab.Nodes)
            await ConnectionTable.WaitAsync(node, talk.ClientPort, "no entry", e => e.Count == 0);
        var before = await LaneMeter.PassedAsync(lab.Node(1), "no_connection");
        talk.Resume();

        await talk.WaitAnswersAsync(20);
        Assert.InRange(await LaneMeter.PassedAsync(lab.Node(1), "no_connection") - before, 1, long.MaxValue);
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
    }

    [Fact]
    public async Task Udp_OnTheShortcutForManyTimeouts_StaysEstablished()
    {
        var lab = await UpAsync();
        await using var talk = await Talk.StartAsync("udp", lab.Pod(1, 1), lab.Pod(2, 1));
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
        // From now on a flow that conntrack forgets is lost: nobody may begin one.
        const string chain = "chain forward { type filter hook forward priority filter + 10; policy drop; ct state established accept; counter; }";
        await using var here = await RuleTool.NftAsync(lab.Node(1), chain);
        await using var there = await RuleTool.NftAsync(lab.Node(2), chain);
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);

        var (asked, began) = (talk.Asked, Environment.TickCount64);
        var (before, refreshed) = (await LaneMeter.ReadAsync(lab.Node(1)), await LaneMeter.PassedAsync(lab.Node(1), "expiring"));
        await Wait.UntilAsync("many timeouts", () => Environment.TickCount64 - began > 5 * UdpTimeout * 1000, TimeSpan.FromMinutes(2), cancel: Cancel);
        talk.Pause();
        await talk.WaitSilenceAsync();
        var (questions, after) = (talk.Asked - asked, await LaneMeter.ReadAsync(lab.Node(1)));
        refreshed = await LaneMeter.PassedAsync(lab.Node(1), "expiring") - refreshed;

        Output.WriteLine($"measured: {talk.Describe()}; of the last {questions} {after.Out - before.Out} went out by the shortcut, {refreshed} packets the slow way for the entry's sake");
        Assert.Equal(talk.Asked, talk.Answered);
        Assert.Equal((0, 0), (await here.PacketsAsync(), await there.PacketsAsync()));
        Assert.InRange(after.Out - before.Out, questions * 9 / 10, long.MaxValue);
        Assert.InRange(refreshed, 1, questions / 10);
    }

    [Theory]
    [InlineData("restarted with --shortcut=off", 64)]
    [InlineData("restarted with --shortcut=off", 32768)]
    [InlineData("killed", 64)]
    [InlineData("killed", 32768)]
    public async Task Tcp_ShortcutTakenAwayInTheMiddle_LosesNothing(string how, int size)
    {
        var lab = await UpAsync();
        // Rules as people have them: what conntrack cannot place is dropped.
        const string chain = "chain forward { type filter hook forward priority filter - 10; ct state invalid counter drop; }";
        await using var here = await RuleTool.NftAsync(lab.Node(1), chain);
        await using var there = await RuleTool.NftAsync(lab.Node(2), chain);
        await using var talk = await Talk.StartAsync("tcp", lab.Pod(1, 1), lab.Pod(2, 1), size: size);
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
        await talk.WaitAnswersAsync(200);

        var node = lab.Node(1);
        await node.KillAgentAsync();
        await talk.WaitAnswersAsync(20);
        if (how != "killed")
        {
            node.StartAgent("--shortcut=off");
            await node.WaitReadyAsync(cancel: Cancel);
            _ = await AgentSocket.WaitAsync(node, "lane 2 off", s => s["lanes"]!.AsArray().Count > 0 && LaneMeter.Lane(s, "2 out")["off"] is not null);
            var before = await LaneMeter.ReadAsync(node);
            await talk.WaitAnswersAsync(200);
            Assert.Equal(before, await LaneMeter.ReadAsync(node));
        }
        else
        {
            // Longer than the terms are good for without an agent.
            var killed = Environment.TickCount64;
            await Wait.UntilAsync("the terms to run out", () => Environment.TickCount64 - killed > 4000, cancel: Cancel);
            await talk.WaitAnswersAsync(200);
            node.StartAgent();
            await node.WaitReadyAsync(cancel: Cancel);
            await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
        }

        Assert.Null(talk.Failure);
        Assert.Equal((0, 0), (await here.PacketsAsync(), await there.PacketsAsync()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tcp_EndedOnTheShortcut_LeavesNoStaleEntry(bool reset)
    {
        var lab = await UpAsync();
        foreach (var node in lab.Nodes)
        {
            await ConnectionTable.SetAsync(node, "tcp_timeout_time_wait", 3);
            await ConnectionTable.SetAsync(node, "tcp_timeout_close", 3);
        }

        await using var talk = await Talk.StartAsync("tcp", lab.Pod(1, 1), lab.Pod(2, 1));
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
        foreach (var node in lab.Nodes)
            Assert.Contains(" ESTABLISHED ", Assert.Single(await ConnectionTable.OfAsync(node, talk.ClientPort)), StringComparison.Ordinal);
        // With an answer unread, closing would be a reset.
        talk.Pause();
        await talk.WaitSilenceAsync();

        var port = talk.ClientPort;
        await talk.EndAsync(reset);

        // An established connection would be remembered for five days.
        foreach (var node in lab.Nodes)
            await ConnectionTable.WaitAsync(node, port, "no entry", e => e.Count == 0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Address_OnAnotherVeth_IsReachedThereAndNobodyElseLosesAnything(bool sameMac)
    {
        var lab = await UpAsync(pods: 3);
        var (node, old, neighbour, young, remote) = (lab.Node(1), lab.Pod(1, 1), lab.Pod(1, 2), lab.Pod(1, 3), lab.Pod(2, 1));
        await node.RunAsync("ip", "link", "del", "veth3");
        await using var others = await Talk.StartAsync("udp", neighbour, remote, port: 7001);
        await LaneMeter.WaitCarriedAsync(others, lab.Nodes);
        await using var talk = await Talk.StartAsync("udp", remote, old);
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
        var env = node.Subnet();
        var mac = sameMac ? LabLayout.MacFor(old.Address) : "02:00:00:00:00:99";

        // The old container's server stays behind in a namespace without an interface; the new one has its own.
        await using var heir = await Talk.StartAsync("udp", young, young, IPAddress.Loopback);
        heir.Pause();
        await heir.WaitSilenceAsync();
        var before = heir.Heard;
        await node.RunAsync("sh", "-ec",
            $"ip link del veth1; ip link add veth9 mtu {env.Mtu} type veth peer name eth0 netns {young.Namespace} mtu {env.Mtu} address {mac}; ip link set veth9 master cni0 up");
        await young.RunAsync("sh", "-ec",
            $"ip address add {old.Address}/{env.Subnet.PrefixLength} dev eth0; ip link set eth0 up; ip route add default via {env.Gateway}; ping -c 1 -W 5 {env.Gateway}");

        await talk.WaitAnswersAsync(100);
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
        talk.Pause();
        await talk.WaitSilenceAsync();
        var lost = talk.Asked - talk.Answered;
        talk.Resume();
        await talk.WaitAnswersAsync(300);
        talk.Pause();
        others.Pause();
        await talk.WaitSilenceAsync();
        await others.WaitSilenceAsync();
        Output.WriteLine($"measured: {talk.Describe()}; the others {others.Describe()}");
        // Three seconds' worth at most while the address moved, and then none.
        Assert.InRange(lost, 0, 600);
        Assert.Equal(lost, talk.Asked - talk.Answered);
        Assert.InRange(heir.Heard - before, 100, long.MaxValue);
        Assert.Equal(others.Asked, others.Answered);
    }

    private async Task<NetworkLab> UpAsync(int pods = 1)
    {
        var lab = await UpAsync(ShortcutLab.Spec with { PodsPerNode = pods });
        foreach (var node in lab.Nodes)
        {
            await ConnectionTable.SetAsync(node, "udp_timeout", UdpTimeout);
            await ConnectionTable.SetAsync(node, "udp_timeout_stream", UdpTimeout);
        }

        await lab.StartAllAsync(cancel: Cancel);
        return lab;
    }
}
