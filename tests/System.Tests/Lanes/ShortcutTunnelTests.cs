using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>A container that is an end of a VXLAN tunnel of its own, as nested container hosts are. Its packets are tunnels in a tunnel, which GSO and GRO must survive.</summary>
public sealed class ShortcutTunnelTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(4);

    [Theory]
    // The source port as vxlan chooses it: each direction is a flow without replies, which the shortcut leaves alone.
    [InlineData("", false)]
    // The same port both ways: one flow with replies, and as such on the shortcut.
    [InlineData("srcport 4790 4791", true)]
    public async Task Tunnel_BetweenContainers_IsNotSlowedDownByTheShortcut(string ports, bool carried)
    {
        var lab = await UpAsync(ShortcutLab.Spec with { PodsPerNode = 1, AgentFlags = ["--shortcut=off"] });
        await lab.StartAllAsync(cancel: Cancel);
        foreach (var (end, other, address) in ((LabPod, LabPod, string)[])[(lab.Pod(1, 1), lab.Pod(2, 1), "198.18.0.1"), (lab.Pod(2, 1), lab.Pod(1, 1), "198.18.0.2")])
        {
            await end.RunAsync("sh", "-ec",
                $"ip link add nested type vxlan id 77 local {end.Address} remote {other.Address} dstport 4790 {ports} dev eth0; ip address add {address}/24 dev nested; ip link set nested up");
        }

        var without = await MeasureAsync(lab);
        foreach (var node in lab.Nodes)
        {
            await node.StopAgentAsync();
            node.StartAgent("--shortcut=established");
            await node.WaitReadyAsync(cancel: Cancel);
            _ = await AgentSocket.WaitAsync(node, "lane 2", s => s["lanes"]!.AsArray().Count > 0 && LaneMeter.Lane(s, "2 out")["off"] is null);
        }

        await Overlay.PingAsync([(lab.Pod(1, 1), lab.Pod(2, 1))]);
        var before = await LaneMeter.ReadAsync(lab.Node(1));
        var with = await MeasureAsync(lab);
        // What GSO or GRO breaks is slow by a factor of ten, and every time; a busy machine is not.
        for (var again = 0; again < 3 && with < without / 3; again++)
            with = await MeasureAsync(lab);
        var after = await LaneMeter.ReadAsync(lab.Node(1));

        var status = await AgentSocket.StatusAsync(lab.Node(2));
        Output.WriteLine($"measured: {without / 1e9:0.00} Gb/s without, {with / 1e9:0.00} Gb/s with the shortcut; {before} before, {after} after");
        Output.WriteLine($"node 2: {LaneMeter.Lane(status, "2 out").ToJsonString()} {LaneMeter.Lane(status, "2 in").ToJsonString()}");
        // What the container's tunnel leaves to the NIC, the lanes pass on: nothing an operator has to hear of.
        Assert.True((long)LaneMeter.Lane(await AgentSocket.StatusAsync(lab.Node(1)), "1 out")["passed"]!["in_tunnel"]! > 0);
        foreach (var node in lab.Nodes)
            Assert.Null(await node.ProblemAsync("bpf-lane-futile"));
        Assert.InRange(with, without / 3, double.MaxValue);
        if (carried)
            Assert.InRange(after.Out + after.In - before.Out - before.In, 1000, long.MaxValue);
        else
            Assert.Equal(before, after);
    }

    private static async Task<double> MeasureAsync(NetworkLab lab) =>
        (await lab.Pod(1, 1).IperfAsync(lab.Pod(2, 1), IPAddress.Parse("198.18.0.2"), Duration, cancel: Cancel)).BitsPerSecond;
}
