using System.Net;
using System.Text.Json.Nodes;
using Accelerated.Interop;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Who forges VXLAN.</summary>
public enum Forger
{
    /// <summary>A host on the underlay that is no peer.</summary>
    Stranger,

    /// <summary>A container, to the host it runs on.</summary>
    ContainerToItsHost,

    /// <summary>A container, to another host: it would come out of its own host with that host's address.</summary>
    ContainerToAnotherHost,

    /// <summary>A peer whose inner source is a container of the receiving host.</summary>
    PeerWithOurSource,
}

/// <summary>
/// What the guard refuses is counted by reason and does not arrive, and the very same packets arrive where there is no guard. All of it on
/// both datapaths, with real packets.
/// </summary>
public abstract class GuardTests<TLabs>(TLabs labs, ITestOutputHelper output) : IClassFixture<TLabs>, IAsyncDisposable
    where TLabs : GuardLabs
{
    private const int Count = 5;
    private const int InFragments = 3000;
    private const string WithoutConntrack = "--ip-masq=false";
    private static readonly IPAddress Elsewhere = IPAddress.Parse("198.18.0.1");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
        {
            LabTest.Report(labs.Guarded, output);
            LabTest.Report(labs.Open, output);
        }

        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData(Forger.Stranger, false)]
    [InlineData(Forger.Stranger, true)]
    [InlineData(Forger.ContainerToItsHost, false)]
    [InlineData(Forger.ContainerToItsHost, true)]
    [InlineData(Forger.ContainerToAnotherHost, false)]
    [InlineData(Forger.ContainerToAnotherHost, true)]
    [InlineData(Forger.PeerWithOurSource, false)]
    [InlineData(Forger.PeerWithOurSource, true)]
    public async Task Vxlan_Forged_IsRefusedAndCountedAndArrivesWithoutTheGuard(Forger forger, bool fragments)
    {
        await labs.UseAsync(labs.Guarded);
        await labs.UseAsync(labs.Open);

        await ExpectRefusedAsync(await ForgeAsync(labs.Guarded, forger, fragments), Reason(forger), InNftables(forger));
        await ExpectDeliveredAsync(await ForgeAsync(labs.Open, forger, fragments), labs.Open);
    }

    // Connection tracking puts fragments together before other rules see them; without a rule that uses it there is none.
    [Theory]
    [InlineData(Forger.Stranger)]
    [InlineData(Forger.ContainerToItsHost)]
    [InlineData(Forger.ContainerToAnotherHost)]
    [InlineData(Forger.PeerWithOurSource)]
    public async Task Fragments_ForgedWithoutConnectionTracking_AreRefusedAndArriveWithoutTheGuard(Forger forger)
    {
        await labs.UseAsync(labs.Guarded, WithoutConntrack);
        var open = await labs.UseAsync(labs.Open, WithoutConntrack);

        await ExpectRefusedAsync(await ForgeAsync(labs.Guarded, forger, true), Reason(forger), InNftables(forger));
        var seen = await FragmentsAfterConntrackAsync(open, async () => await ExpectDeliveredAsync(await ForgeAsync(labs.Open, forger, true), labs.Open));
        Assert.True(seen > 0, "somebody put the fragments together: this did not test what it says");
    }

    [Fact]
    public async Task Fragments_WithConnectionTracking_ArePutTogetherBeforeTheOtherRules()
    {
        var open = await labs.UseAsync(labs.Open);

        Assert.Equal(0, await FragmentsAfterConntrackAsync(
            open, async () => await ExpectDeliveredAsync(await ForgeAsync(labs.Open, Forger.Stranger, true), labs.Open)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task FirstFragment_TooShortToShowTheVni_IsRefusedAndArrivesWithoutTheGuard(bool conntrack)
    {
        string[] flags = conntrack ? [] : [WithoutConntrack];
        await labs.UseAsync(labs.Guarded, flags);
        await labs.UseAsync(labs.Open, flags);

        // The programs leave to nftables what they cannot read.
        await ExpectRefusedAsync(await ForgeAsync(labs.Guarded, Forger.Stranger, false), "unknown_vtep", inNftables: true, hidden: true);
        await ExpectDeliveredAsync(await ForgeAsync(labs.Open, Forger.Stranger, false), labs.Open, hidden: true);
    }

    [Fact]
    public async Task Peer_WithAnotherPeersSource_IsRefusedByTheLanesAlone()
    {
        await labs.UseAsync(labs.Guarded);
        var forgery = await ForgeAsync(labs.Guarded, Forger.PeerWithOurSource, false);
        forgery = forgery with { InnerSource = IPAddress.Parse("10.5.255.7") };

        if (labs.HasLanes)
            await ExpectRefusedAsync(forgery, "forged_source", inNftables: false);
        else
            await ExpectDeliveredAsync(forgery, labs.Guarded);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Fragments_OfAPeer_ArriveUnlessTheGuardIsStrict(bool conntrack)
    {
        string[] flags = conntrack ? [] : [WithoutConntrack];
        await labs.UseAsync(labs.Guarded, flags);
        var forgery = await ForgeAsync(labs.Guarded, Forger.PeerWithOurSource, fragments: true);
        var honest = forgery with { InnerSource = labs.Guarded.Pod(2, 2).Address };
        await ExpectDeliveredAsync(honest, labs.Guarded);

        await labs.UseAsync(labs.Guarded, [.. flags, "--guard=strict"]);

        await ExpectRefusedAsync(honest, "fragment", inNftables: !labs.HasLanes);
        await ExpectRefusedAsync(honest with { Payload = 100 }, "fragment", inNftables: true, hidden: true);
        await ExpectDeliveredAsync(honest with { Payload = 100 }, labs.Guarded);
        await ExpectRefusedAsync(await ForgeAsync(labs.Guarded, Forger.Stranger, false), "unknown_vtep", InNftables(Forger.Stranger));
    }

    [Theory]
    [InlineData(Forger.Stranger)]
    [InlineData(Forger.ContainerToItsHost)]
    [InlineData(Forger.PeerWithOurSource)]
    public async Task Drops_AreShownAsTheyHappen(Forger forger)
    {
        var node = await labs.UseAsync(labs.Guarded);
        var forgery = await ForgeAsync(labs.Guarded, forger, false);
        await using var drops = node.StartDrops("--json");
        // What nftables counted before somebody listened is not told.
        await drops.WaitAsync("a drop to be shown", () =>
        {
            forgery.Send(1);
            return Shown().Any();
        }, cancel: Cancel);

        Assert.Equal(130, await drops.StopAsync("INT"));
        if (InNftables(forger))
        {
            Assert.InRange((int)Shown().First()["packets"]!, 1, int.MaxValue);
            return;
        }

        var refused = Shown().First();
        Assert.Equal(
            (forgery.From.Namespace == labs.Guarded.Etcd.Namespace ? labs.Guarded.Layout.EtcdAddress : labs.Guarded.Node(2).Address, forgery.InnerSource, forgery.Target),
            (IPAddress.Parse((string)refused["sender"]!), IPAddress.Parse((string)refused["source"]!), IPAddress.Parse((string)refused["destination"]!)));
        Assert.Equal(("eth0", "udp", true), ((string?)refused["interface"], (string?)refused["protocol"], (bool)refused["dropped"]!));
        Assert.InRange(DateTimeOffset.UtcNow - (DateTimeOffset)refused["at"]!, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        // They are kept for who comes later, and explained.
        await using var later = node.StartDrops("--once");
        await later.WaitAsync("the end of what is known", () => !later.IsRunning, cancel: Cancel);
        Assert.Contains(
            $"dropped: {Reason(forger).Replace('_', ' ')}, from {refused["sender"]} on eth0: {forgery.InnerSource} → {forgery.Target}, udp, ", later.Output(), StringComparison.Ordinal);
        Assert.Contains("    → ", later.Output(), StringComparison.Ordinal);

        // The latest of earlier tests come first.
        IEnumerable<JsonNode> Shown() => drops.Output().Split('\n').SkipLast(1)
            .Select(l => JsonNode.Parse(l)![InNftables(forger) ? "counted" : "refused"]).OfType<JsonNode>().Where(d => (string?)d["reason"] == Reason(forger));
    }

    [Fact]
    public async Task Vxlan_ForgedUnderObserve_IsCountedAndArrives()
    {
        var before = await RefusedAsync(await labs.UseAsync(labs.Guarded), "unknown_vtep", inNftables: true);
        var node = await labs.UseAsync(labs.Guarded, "--guard=observe");
        // A new table went on with the counts of the old one.
        Assert.Equal(before, await RefusedAsync(node, "unknown_vtep", inNftables: true));

        foreach (var forger in Enum.GetValues<Forger>())
            await ExpectCountedAsync(await ForgeAsync(labs.Guarded, forger, false), labs.Guarded, Reason(forger), InNftables(forger));
    }

    [Fact]
    public async Task Vxlan_ForgedWhileThePeersAreProvisional_IsCountedAndArrives()
    {
        var lab = labs.Guarded;
        var node = await labs.UseAsync(lab);
        await node.WaitAgentAsync(
            "the peers in the state file", async () => (await File.ReadAllTextAsync($"{node.RunDirectory}/state/default.state", Cancel)).Contains("192.0.2.99"),
            cancel: Cancel);
        var forgery = await ForgeAsync(lab, Forger.Stranger, false);
        await ExpectRefusedAsync(forgery, "unknown_vtep", InNftables(Forger.Stranger));
        await lab.Etcd.StopAsync("KILL");
        await node.KillAgentAsync();
        node.StartAgent();

        await GuardLabs.WaitModeAsync(node, "observe");

        var guard = (await AgentSocket.StatusAsync(node))["guard"]!;
        Assert.Equal("only counts until etcd confirms the peers", (string?)guard["reason"]);
        await ExpectCountedAsync(forgery, lab, "unknown_vtep", InNftables(Forger.Stranger));
        await lab.Etcd.StartAsync(Cancel);
        await GuardLabs.WaitModeAsync(node, "vtep");
        await ExpectRefusedAsync(forgery, "unknown_vtep", InNftables(Forger.Stranger));
    }

    [Fact]
    public async Task OtherVni_OnOurPort_GoesOnUnderTheStrictestGuard()
    {
        var lab = labs.Guarded;
        var node = await labs.UseAsync(lab, "--guard=strict");
        var refused = await AllRefusedAsync(node);
        LabHost[] others = [lab.Node(2), lab.Etcd]; // A peer and a host that is none.
        for (var i = 0; i < others.Length; i++)
        {
            var (vni, there) = (4096 + i, i == 0 ? lab.Node(2).Address : lab.Layout.EtcdAddress);
            await AddVxlanAsync(node, "swarm", vni, node.Address, there, "203.0.113.1/24");
            await AddVxlanAsync(others[i], "swarm", vni, there, node.Address, "203.0.113.2/24");

            foreach (var size in (string[])["100", $"{InFragments}"])
                await node.RunAsync("ping", "-n", "-c", "3", "-i", "0.05", "-W", "2", "-M", "dont", "-s", size, "203.0.113.2");

            await node.RunAsync("ip", "link", "del", "swarm");
            await others[i].RunAsync("ip", "link", "del", "swarm");
        }

        Assert.Equal(refused, await AllRefusedAsync(node));
        // Containers may have an overlay of their own, even with our port and VNI: what goes between them is their business.
        var (pod, far) = (lab.Pod(1, 1), lab.Pod(2, 1));
        await AddVxlanAsync(pod, "nested", 1, pod.Address, far.Address, "203.0.113.1/24");
        await AddVxlanAsync(far, "nested", 1, far.Address, pod.Address, "203.0.113.2/24");
        await pod.RunAsync("ping", "-n", "-c", "3", "-i", "0.05", "-W", "2", "203.0.113.2");
        await pod.RunAsync("ip", "link", "del", "nested");
        await far.RunAsync("ip", "link", "del", "nested");
        Assert.Equal(refused, await AllRefusedAsync(node));
    }

    [Fact]
    public async Task Sender_AllowedByTheOperator_MaySendOnAnyInterfaceThatLeadsToIt()
    {
        const string second = "198.51.100.0/24";
        var (lab, stranger, asymmetric) = (labs.Guarded, IPAddress.Parse("198.51.100.250"), IPAddress.Parse("192.0.2.240"));
        await lab.Etcd.RunAsync("sh", "-ec",
            $"ip link add second type veth peer name second netns {lab.Node(1).Namespace}; ip addr add {stranger}/24 dev second; ip link set second up");
        await lab.Node(1).RunAsync("sh", "-ec", "ip addr add 198.51.100.1/24 dev second; ip link set second up");
        await lab.Pod(1, 2).RunAsync("ip", "addr", "add", $"{stranger}/32", "dev", "lo");
        try
        {
            var node = await labs.UseAsync(lab);
            var whole = await ForgeAsync(lab, Forger.Stranger, false);
            var bySecond = whole with { Host = IPAddress.Parse("198.51.100.1"), OuterSource = stranger };
            await ExpectRefusedAsync(bySecond, "not_from_underlay", inNftables: true);
            _ = await AgentSocket.WaitAsync(
                node, "the second interface", s => s["guard"]!["otherInterfaces"]!.AsArray().Select(i => (string?)i).Contains("second (198.51.100.1)"));
            Assert.Contains("second (198.51.100.1): guarded by nftables, not accelerated", (await node.ShowStatusAsync(Cancel)).Stdout, StringComparison.Ordinal);

            await labs.UseAsync(lab, $"--guard-allow={second},{lab.Layout.EtcdAddress},{asymmetric}");

            await ExpectDeliveredAsync(bySecond, lab);
            // Behind such an address there may be any node, but not us.
            foreach (var forgery in (Forgery[])[whole, bySecond])
            {
                await ExpectDeliveredAsync(forgery with { InnerSource = lab.Pod(2, 1).Address }, lab);
                await ExpectRefusedAsync(
                    forgery with { InnerSource = Ours(forgery.Target) }, "forged_source", inNftables: !labs.HasLanes || forgery == bySecond);
            }

            // By the underlay it may come even if the way back leads elsewhere.
            await lab.Etcd.RunAsync("ip", "addr", "add", $"{asymmetric}/32", "dev", "eth0");
            await node.RunAsync("ip", "route", "add", $"{asymmetric}", "via", $"{stranger}");
            await ExpectDeliveredAsync(whole with { OuterSource = asymmetric }, lab);

            // A container that takes such an address does not have it: the way back leads elsewhere.
            var container = await ForgeAsync(lab, Forger.ContainerToItsHost, false);
            await ExpectRefusedAsync(container with { OuterSource = stranger }, "not_from_underlay", inNftables: true);
            // Nor may it send to a peer that is not reached by the underlay.
            await node.RunAsync("ip", "route", "add", "192.0.2.99", "via", stranger.ToString());
            await ExpectRefusedAsync(container with { Host = IPAddress.Parse("192.0.2.99") }, "not_from_underlay", inNftables: true);

            await labs.UseAsync(lab, "--guard-allow=0.0.0.0/0");

            await ExpectDeliveredAsync(whole, lab);
            await ExpectRefusedAsync(container, "not_from_underlay", inNftables: true);
        }
        finally
        {
            await lab.Etcd.ExecAsync("ip", "link", "del", "second");
            await lab.Etcd.ExecAsync("ip", "addr", "del", $"{asymmetric}/32", "dev", "eth0");
            await lab.Pod(1, 2).ExecAsync("ip", "addr", "del", $"{stranger}/32", "dev", "lo");
        }
    }

    // A host may have addresses that no lease names, and believes what comes from ours.
    [Fact]
    public async Task Vxlan_OfAContainerToAnyHostOnTheUnderlay_IsRefusedAndLeavesWithoutTheGuard()
    {
        foreach (var (lab, leaves) in (IEnumerable<(NetworkLab, bool)>)[(labs.Guarded, false), (labs.Open, true)])
        {
            await labs.UseAsync(lab);
            var forgery = (await ForgeAsync(lab, Forger.ContainerToItsHost, false)) with { Host = lab.Layout.EtcdAddress };
            await using var capture = await lab.Etcd.StartCaptureAsync("eth0", "udp dst port 8472", Cancel);

            if (leaves)
                forgery.Send(Count);
            else
                await CountsAsync(lab.Node(1), "not_from_underlay", inNftables: true, () => forgery.Send(Count));

            await lab.Pod(1, 2).PingAsync(lab.Layout.EtcdAddress, cancel: Cancel);
            Assert.Equal(leaves ? Count : 0, capture.Packets().Count);
        }
    }

    [Fact]
    public async Task Vxlan_ThroughTheHostToAContainer_IsTheContainersBusiness()
    {
        var lab = labs.Guarded;
        var node = await labs.UseAsync(lab);
        var refused = await AllRefusedAsync(node);
        var pod = lab.Pod(1, 1);
        await lab.Etcd.RunAsync("ip", "route", "replace", pod.Address.ToString(), "via", node.Address.ToString());
        await using var capture = await pod.StartCaptureAsync("eth0", "udp dst port 8472", Cancel);

        ((await ForgeAsync(lab, Forger.Stranger, false)) with { Host = pod.Address }).Send(Count);

        await capture.WaitPacketsAsync(Count, cancel: Cancel);
        Assert.Equal(refused, await AllRefusedAsync(node));
    }

    private static string Reason(Forger forger) => forger switch
    {
        Forger.Stranger => "unknown_vtep",
        Forger.PeerWithOurSource => "forged_source",
        _ => "not_from_underlay",
    };

    /// <summary>What comes in by the underlay meets the programs first.</summary>
    private bool InNftables(Forger forger) => !labs.HasLanes || forger is Forger.ContainerToItsHost or Forger.ContainerToAnotherHost;

    private static async Task<Forgery> ForgeAsync(NetworkLab lab, Forger forger, bool fragments)
    {
        var (from, receiver) = forger switch
        {
            Forger.Stranger => (lab.Etcd, lab.Node(1)),
            Forger.ContainerToItsHost => ((LabHost)lab.Pod(1, 2), lab.Node(1)),
            Forger.ContainerToAnotherHost => (lab.Pod(1, 2), lab.Node(2)),
            _ => (lab.Node(2), lab.Node(1)),
        };
        var mac = MacAddress.Parse((string)(await AgentSocket.StatusAsync(receiver))["vtepMac"]!);
        var target = receiver.Pods[0].Address;
        return new Forgery(from, receiver.Address, mac, forger == Forger.PeerWithOurSource ? Ours(target) : Elsewhere, target)
        {
            Payload = fragments ? InFragments : 100,
        };
    }

    /// <summary>An address of the receiver's subnet that no container has.</summary>
    private static IPAddress Ours(IPAddress target) => new([.. target.GetAddressBytes()[..3], 200]);

    private async Task ExpectRefusedAsync(Forgery forgery, string reason, bool inNftables, bool hidden = false)
    {
        var lab = labs.Guarded;
        var target = Target(forgery, lab);
        await using var capture = await target.StartCaptureAsync("eth0", forgery.Filter, Cancel);
        await CountsAsync(lab.Node(1), reason, inNftables, () => Send(forgery, hidden));
        // Traffic of the peers goes on, and overtakes nothing.
        await Overlay.PingAsync([(lab.Pod(2, 1), lab.Pod(1, 1))]);
        Assert.Empty(await capture.LinesAsync());
    }

    private static async Task ExpectDeliveredAsync(Forgery forgery, NetworkLab lab, bool hidden = false)
    {
        await using var capture = await Target(forgery, lab).StartCaptureAsync("eth0", forgery.Filter, Cancel);
        Send(forgery, hidden);
        await capture.WaitPacketsAsync(Count, cancel: Cancel);
    }

    private static Task ExpectCountedAsync(Forgery forgery, NetworkLab lab, string reason, bool inNftables) =>
        CountsAsync(lab.Node(1), reason, inNftables, () => ExpectDeliveredAsync(forgery, lab));

    private static Task CountsAsync(LabNode node, string reason, bool inNftables, Action send) => CountsAsync(node, reason, inNftables, () =>
    {
        send();
        return Task.CompletedTask;
    });

    private static async Task CountsAsync(LabNode node, string reason, bool inNftables, Func<Task> send)
    {
        var before = await RefusedAsync(node, reason, inNftables);
        await send();
        await Wait.UntilAsync(
            $"{Count} packets refused as {reason}", async () => await RefusedAsync(node, reason, inNftables) >= before + Count,
            explain: node.LogTail, cancel: Cancel);
        Assert.Equal(before + Count, await RefusedAsync(node, reason, inNftables));
    }

    private static void Send(Forgery forgery, bool hidden)
    {
        if (hidden)
            forgery.SendHidden(Count);
        else
            forgery.Send(Count);
    }

    private static LabPod Target(Forgery forgery, NetworkLab lab) => lab.Nodes.SelectMany(n => n.Pods).Single(p => p.Address.Equals(forgery.Target));

    private static async Task<int> RefusedAsync(LabNode node, string reason, bool inNftables)
    {
        if (!inNftables)
            return await node.RefusedAsync(reason);
        var status = await AgentSocket.StatusAsync(node);
        return (int?)status["guard"]!["refused"]![reason] ?? 0;
    }

    private static async Task<string> AllRefusedAsync(LabNode node)
    {
        var status = await AgentSocket.StatusAsync(node);
        return string.Join(' ', status["lanes"]!.AsArray().Select(l => l!["refused"]).Append(status["guard"]!["refused"]).Select(r => r!.ToJsonString()));
    }

    private static async Task AddVxlanAsync(LabHost host, string name, int vni, IPAddress local, IPAddress remote, string address) =>
        // Without a lower device it may be longer than a frame on the wire, which gives outer fragments.
        await host.RunAsync("sh", "-ec",
            $"ip link add {name} mtu 4000 type vxlan id {vni} dstport 8472 local {local} remote {remote}; ip addr add {address} dev {name}; ip link set {name} up");

    /// <summary>How many fragments come by after connection tracking's place (priority -400), while something happens.</summary>
    private static async Task<int> FragmentsAfterConntrackAsync(LabNode node, Func<Task> action)
    {
        await node.RunAsync("nft", "add table ip seen; add counter ip seen c; add chain ip seen c { type filter hook prerouting priority -350; };"
            + " add rule ip seen c ip frag-off & 0x3fff != 0 udp dport 8472 counter name c");
        try
        {
            await action();
            var counters = JsonNode.Parse(await node.RunAsync("nft", "-j", "list", "counter", "ip", "seen", "c"))!["nftables"]!.AsArray();
            return (int)counters.Single(c => c!["counter"] is not null)!["counter"]!["packets"]!;
        }
        finally
        {
            await node.RunAsync("nft", "delete table ip seen");
        }
    }
}

/// <inheritdoc cref="GuardTests{TLabs}"/>
public sealed class GuardOnDriverTests(DriverGuardLabs labs, ITestOutputHelper output) : GuardTests<DriverGuardLabs>(labs, output);

/// <inheritdoc cref="GuardTests{TLabs}"/>
public sealed class GuardOnLanesTests(LanesGuardLabs labs, ITestOutputHelper output) : GuardTests<LanesGuardLabs>(labs, output);
