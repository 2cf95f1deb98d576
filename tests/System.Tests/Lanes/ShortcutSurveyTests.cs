using System.Globalization;
using System.Text.RegularExpressions;
using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>
/// What has to see every packet sees every packet, although the shortcut would carry the flow: rules that count or decide by the packet,
/// hooks on a container's veth, rules of the bridge, IPsec policies, rules for the overlay's own packets.
/// </summary>
public sealed partial class ShortcutSurveyTests(ITestOutputHelper output) : LabTest(output)
{
    /// <summary>Questions that a rule is watched for.</summary>
    private const int Enough = 200;

    [Fact]
    public async Task Drop_ByIptablesLegacyInsertedIntoALiveFlow_StopsItAndRemovedLetsItGoOn()
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        await using var rule = await RuleTool.DropAsync(lab.Node(1), RuleTool.IptablesLegacy, $"{lab.Pod(1, 1).Address}", $"{lab.Pod(2, 1).Address}");
        await talk.WaitSilenceAsync();

        Assert.InRange(await rule.PacketsAsync(), 1, long.MaxValue);
        await rule.RemoveAsync();
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
    }

    [Fact]
    public async Task RateLimit_OverALiveFlow_HoldsIt()
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        await using var rule = await RuleTool.NftAsync(
            lab.Node(1), $"chain forward {{ type filter hook forward priority filter - 10; ip saddr {lab.Pod(1, 1).Address} counter; ip saddr {lab.Pod(1, 1).Address} limit rate over 10/second burst 5 packets drop; }}");
        await HoldsAsync(talk);
    }

    [Theory]
    [InlineData("quota over 5 kbytes drop")]
    [InlineData("meta mark set numgen inc mod 2 meta mark 1 drop")]
    [InlineData("ct bytes > 5000 drop")]
    // Every 16th question, by the number in it.
    [InlineData("@th,124,4 0 drop")]
    public async Task Rule_ThatDecidesByThePacket_DecidesOverALiveFlow(string rule)
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        await using var table = await RuleTool.NftAsync(
            lab.Node(1), $"chain forward {{ type filter hook forward priority filter - 10; ip saddr {lab.Pod(1, 1).Address} counter; ip saddr {lab.Pod(1, 1).Address} {rule}; }}");

        await SeesEveryPacketAsync(talk, table.PacketsAsync);
    }

    [Theory]
    [InlineData("-m limit --limit 10/second -j ACCEPT", RuleTool.IptablesNft)]
    [InlineData("-m limit --limit 10/second -j ACCEPT", RuleTool.IptablesLegacy)]
    [InlineData("-m hashlimit --hashlimit-above 10/second --hashlimit-name truth -j DROP", RuleTool.IptablesLegacy)]
    [InlineData("-m quota --quota 5000 -j ACCEPT", RuleTool.IptablesLegacy)]
    [InlineData("-m connbytes --connbytes 5000: --connbytes-dir both --connbytes-mode bytes -j DROP", RuleTool.IptablesNft)]
    [InlineData("-j NFQUEUE --queue-num 5 --queue-bypass", RuleTool.IptablesNft)]
    public async Task IptablesRule_ThatDecidesByThePacket_SeesEveryPacket(string rule, string tool)
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;
        string[] match = ["FORWARD", "-s", $"{lab.Pod(1, 1).Address}", .. rule.Split(' ')];
        var node = lab.Node(1);

        await node.RunAsync([tool, "-w", "-I", .. match]);
        // A rule without a target in front of it counts what comes by.
        await node.RunAsync(tool, "-w", "-I", "FORWARD", "-s", $"{lab.Pod(1, 1).Address}");

        await SeesEveryPacketAsync(talk, async () => Count(await node.RunAsync(tool, "-w", "-L", "FORWARD", "-n", "-v", "-x"), IptablesPackets()));
    }

    [Theory]
    [InlineData("veth1")]
    [InlineData("eth0")]
    public async Task NetdevChain_OnTheWay_SeesEveryPacket(string device)
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        // On the veth the container's packets, on the underlay those of the other node.
        await using var table = await RuleTool.NftAsync(
            lab.Node(1), $"chain in {{ type filter hook ingress device \"{device}\" priority 0; meta protocol ip udp dport {{ 7000, 8472 }} counter; }}", "netdev");

        await SeesEveryPacketAsync(talk, table.PacketsAsync);
    }

    [Fact]
    public async Task Filter_OnAContainersVeth_IsObeyed()
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        // One instruction: drop. Policers sit in the same place.
        await lab.Node(1).RunAsync("sh", "-ec", "tc qdisc add dev veth1 clsact; tc filter add dev veth1 ingress protocol ip bpf da bytecode '1,6 0 0 2'");

        await talk.WaitSilenceAsync();
    }

    [Fact]
    public async Task Qdisc_OnAContainersVeth_HoldsWhatGoesIn()
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        // What the CNI bandwidth plugin does.
        await lab.Node(1).RunAsync("tc", "qdisc", "add", "dev", "veth1", "root", "tbf", "rate", "16kbit", "burst", "1k", "latency", "10ms");

        await Wait.UntilAsync("the limit to hold", async () =>
        {
            var (heard, answered) = (talk.Heard, talk.Answered);
            await Wait.UntilAsync("questions", () => talk.Heard >= heard + Enough, TimeSpan.FromMinutes(1), cancel: Cancel);
            return talk.Answered - answered < (talk.Heard - heard) / 2;
        }, explain: talk.Describe, cancel: Cancel);
    }

    [Fact]
    public async Task BridgeRule_LimitingAContainer_HoldsALiveFlow()
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        // Prerouting: a routed packet of the container goes up from the bridge, not through it.
        await using var table = await RuleTool.NftAsync(
            lab.Node(1), "chain prerouting { type filter hook prerouting priority 0; iifname \"veth1\" ip protocol udp limit rate over 10/second burst 5 packets counter drop; }", "bridge");

        await HoldsAsync(talk);
    }

    [Theory]
    [InlineData("dir fwd", true)]
    [InlineData("dir out", false)]
    public async Task IpsecPolicy_ThatBlocksContainers_IsObeyed(string direction, bool inbound)
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;
        var (from, to) = inbound ? (lab.Pod(2, 1), lab.Pod(1, 1)) : (lab.Pod(1, 1), lab.Pod(2, 1));

        await lab.Node(1).RunAsync(["ip", "xfrm", "policy", "add", "src", $"{from.Address}", "dst", $"{to.Address}", .. direction.Split(' '), "action", "block"]);

        await talk.WaitSilenceAsync();
    }

    [Fact]
    public async Task IpsecPolicy_ForAVtep_LetsNothingOutUnencrypted()
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;
        // Where it leaves: lane 3 may take the outer headers off before a capture on the other node sees them.
        await using var wire = await lab.Node(1).StartCaptureAsync("eth0", $"udp port 8472 and src host {lab.Node(1).Address}", Cancel);
        await wire.WaitPacketsAsync(10, cancel: Cancel);

        // There is no key: what would have to be encrypted stays here.
        await lab.Node(1).RunAsync("ip", "xfrm", "policy", "add", "src", $"{lab.Node(1).Address}", "dst", $"{lab.Node(2).Address}", "proto", "udp", "dport", "8472", "dir", "out",
            "tmpl", "src", $"{lab.Node(1).Address}", "dst", $"{lab.Node(2).Address}", "proto", "esp", "mode", "transport");

        await talk.WaitSilenceAsync();
        var seen = wire.Packets().Count;
        await talk.WaitSilenceAsync();
        Assert.Equal(seen, wire.Packets().Count);
    }

    [Theory]
    [InlineData("output")]
    [InlineData("input")]
    public async Task Drop_OfTheOverlaysOwnPackets_IsObeyed(string hook)
    {
        var (lab, talk) = await LiveAsync("udp");
        await using var flow = talk;

        await using var table = await RuleTool.NftAsync(lab.Node(1), $"chain {hook} {{ type filter hook {hook} priority filter; udp dport 8472 counter drop; }}");

        await talk.WaitSilenceAsync();
        Assert.InRange(await table.PacketsAsync(), 1, long.MaxValue);
    }

    /// <summary>A lab with a flow from the first node's container to the second's, on the shortcut of both.</summary>
    private async Task<(NetworkLab Lab, Talk Talk)> LiveAsync(string protocol)
    {
        var lab = await UpAsync(ShortcutLab.Spec with { PodsPerNode = 1 });
        await lab.StartAllAsync(cancel: Cancel);
        var talk = await Talk.StartAsync(protocol, lab.Pod(1, 1), lab.Pod(2, 1));
        await LaneMeter.WaitCarriedAsync(talk, lab.Nodes);
        return (lab, talk);
    }

    /// <summary>Waits until a rule's counter grows by as much as is asked.</summary>
    private static Task SeesEveryPacketAsync(Talk talk, Func<Task<long>> packets)
    {
        var last = "";
        return Wait.UntilAsync("the rule to see every packet", async () =>
        {
            var (before, asked) = (await packets(), talk.Asked);
            await Wait.UntilAsync("questions", () => talk.Asked >= asked + Enough, TimeSpan.FromMinutes(1), cancel: Cancel);
            var (seen, questions) = (await packets() - before, talk.Asked - asked);
            last = $"the last time {seen} of {questions}";
            return seen >= Enough - 10;
        }, explain: () => last, cancel: Cancel);
    }

    /// <summary>Waits until less than a quarter of what is asked arrives.</summary>
    private static Task HoldsAsync(Talk talk) =>
        Wait.UntilAsync("the limit to hold", async () =>
        {
            var (asked, heard) = (talk.Asked, talk.Heard);
            await Wait.UntilAsync("questions", () => talk.Asked >= asked + Enough, TimeSpan.FromMinutes(1), cancel: Cancel);
            return talk.Heard - heard < (talk.Asked - asked) / 4;
        }, explain: talk.Describe, cancel: Cancel);

    private static long Count(string listing, Regex pattern) => long.Parse(pattern.Match(listing).Groups[1].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"pkts .*\n *(\d+) ")]
    private static partial Regex IptablesPackets();
}
