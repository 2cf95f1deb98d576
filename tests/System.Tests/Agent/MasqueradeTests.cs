using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Who a packet seems to come from, inside and outside the overlay, with and without <c>--ip-masq</c>.</summary>
public sealed class MasqueradeTests(ITestOutputHelper output) : LabTest(output)
{
    [Fact]
    public async Task IpMasq_On_OnlyWhatCrossesTheOverlaysEdgeIsRewritten()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2 });
        await lab.StartAllAsync(cancel: Cancel);
        var (pod, remote) = (lab.Pod(1, 1), lab.Pod(2, 1));
        // The outside knows the way to the overlay through node 1, as a router would.
        await lab.Etcd.RunAsync("ip", "route", "add", "10.5.0.0/16", "via", lab.Node(1).Address.ToString());

        Assert.Equal(lab.Node(1).Address, await SourceSeenAsync(pod, lab.Etcd, lab.Layout.EtcdAddress));
        Assert.Equal(pod.Address, await SourceSeenAsync(pod, remote, remote.Address));
        Assert.Equal(lab.Layout.EtcdAddress, await SourceSeenAsync(lab.Etcd, pod, pod.Address));
        // From outside to another node's container: rewritten, or the answer would go out by the other node.
        Assert.Equal(lab.Node(1).Subnet().Subnet.BaseAddress, await SourceSeenAsync(lab.Etcd, remote, remote.Address));
        Assert.Equal(lab.Node(1).Subnet().Subnet.BaseAddress, await SourceSeenAsync(lab.Node(1), remote, remote.Address));
        var rules = await Overlay.RulesAsync(lab.Node(1));
        Assert.Contains("ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random", rules, StringComparison.Ordinal);
        Assert.Contains("meta mark & 0x00004000 == 0x00004000 return", rules, StringComparison.Ordinal);
    }

    [Fact]
    public async Task IpMasq_Off_NothingIsRewritten()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, AgentFlags = ["--ip-masq=false"] });
        await lab.StartAllAsync(cancel: Cancel);
        var pod = lab.Pod(1, 1);

        Assert.Equal(pod.Address, await SourceSeenAsync(pod, lab.Etcd, lab.Layout.EtcdAddress));

        var rules = await Overlay.RulesAsync(lab.Node(1));
        Assert.DoesNotContain("masquerade", rules, StringComparison.Ordinal);
        Assert.Contains("ip saddr 10.5.0.0/16 accept", rules, StringComparison.Ordinal);
        Assert.False(lab.Node(1).Subnet().IpMasq);
    }

    /// <summary>Pings, and gives the source address that the echo request had when it arrived.</summary>
    private static async Task<IPAddress> SourceSeenAsync(LabHost from, LabHost at, IPAddress target)
    {
        await using var capture = await at.StartCaptureAsync("eth0", $"icmp[icmptype] == icmp-echo and dst host {target}", Cancel);
        await using var ping = from.StartPing(target, TimeSpan.FromMilliseconds(100));
        await capture.WaitPacketsAsync(1, cancel: Cancel);
        // Ethernet header 14 bytes, source address at byte 12 of the IPv4 header (RFC 791).
        return new IPAddress(capture.Packets()[0].AsSpan(14 + 12, 4));
    }
}
