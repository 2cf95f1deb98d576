using System.Net;
using System.Net.Sockets;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>With the shortcut open everything works as without it; counters prove which lane carried what.</summary>
public sealed class ShortcutTests(ShortcutTests.TwoNodes shared, ITestOutputHelper output)
    : SharedLabTest(shared, output), IClassFixture<ShortcutTests.TwoNodes>
{
    /// <summary>Messages of a measurement.</summary>
    private const int Count = 100;

    /// <summary>How many of them may take another way: one in ten seconds does, and whatever proves itself anew.</summary>
    private const int Strays = 10;

    private static int _port = 7000;

    private LabPod Here => Lab.Pod(1, 1);

    private LabPod There => Lab.Pod(2, 1);

    [Fact]
    public async Task Tcp_BetweenContainers_TakesTheShortcutBothWays()
    {
        // Each container of one host with one of the other.
        foreach (var number in Enumerable.Range(1, Lab.Spec.PodsPerNode))
        {
            using var talk = await TcpAsync(Lab.Pod(1, number), Lab.Pod(2, Lab.Spec.PodsPerNode + 1 - number));
            await ShortcutLab.SettleAsync(Lab, talk);
            ExpectShortcut(await MovedAsync(() => talk.ExchangeAsync(Count)));
        }
    }

    [Fact]
    public async Task Udp_BetweenContainers_TakesTheShortcutBothWays()
    {
        using var talk = Udp(Here, There);
        await ShortcutLab.SettleAsync(Lab, talk);
        ExpectShortcut(await MovedAsync(() => talk.ExchangeAsync(Count)));
    }

    [Fact]
    public async Task Ping_BetweenContainers_IsLeftToLane1()
    {
        var moved = await MovedAsync(() => PingAsync(Here, There.Address));
        Assert.All(moved, node => Assert.InRange(node.Out1, Count, int.MaxValue));
        Assert.All(moved, node => Assert.Equal((0, 0), (node.Out2, node.In2)));
    }

    [Fact]
    public async Task Fragments_OfAFlowOnTheShortcut_AreLeftToLane1()
    {
        using var talk = Udp(Here, There);
        await ShortcutLab.SettleAsync(Lab, talk);
        var moved = await MovedAsync(async () =>
        {
            await talk.ExchangeAsync(Count, size: 4000);
            await PingAsync(Here, There.Address, "-s", "4000");
        });
        // Three fragments for each of the two.
        Assert.All(moved, node => Assert.InRange(node.Out1, 2 * 3 * Count, int.MaxValue));
        Assert.All(moved, node => Assert.Equal((0, 0), (node.Out2, node.In2)));
    }

    [Fact]
    public async Task PortUnreachable_ForAFlowOnTheShortcut_ReachesTheSender()
    {
        using var talk = Udp(Here, There);
        await ShortcutLab.SettleAsync(Lab, talk);
        await talk.HangUpAsync();
        var refused = 0;
        var moved = await MovedAsync(() => Wait.UntilAsync(
            "connection refused",
            () =>
            {
                try
                {
                    talk.Client.Send([1]);
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
                {
                    refused++;
                }

                return refused >= 3;
            },
            cancel: Cancel));
        Assert.InRange(moved[0].Out2, 1, int.MaxValue);
        Assert.InRange(moved[1].In2, 1, int.MaxValue);
    }

    [Fact]
    public async Task PathMtu_BelowTheContainers_IsFoundByAFlowOnTheShortcut()
    {
        // The third container is moved behind the second, which routes to it over a leg of 1,200 bytes. Its own side knows of that, but
        // announces segments of full size, so that the sender has to find out.
        var (node, router, server) = (Lab.Node(2), Lab.Pod(2, 2), Lab.Pod(2, 3));
        await node.RunAsync("ip", "link", "set", "veth3", "nomaster", "netns", router.Namespace);
        try
        {
            await router.RunAsync("sh", "-ec",
                $"echo 1 >/proc/sys/net/ipv4/ip_forward; ip link set veth3 mtu 1200 up; ip address add 169.254.1.1/32 dev veth3; ip route add {server.Address}/32 dev veth3");
            await server.RunAsync("sh", "-ec",
                $"ip address flush dev eth0; ip address add {server.Address}/32 dev eth0; ip route add default via 169.254.1.1 dev eth0 onlink mtu 1200 advmss 1410");
            await node.RunAsync("ip", "route", "add", $"{server.Address}/32", "via", router.Address.ToString());
            using var talk = await TcpAsync(Here, server);
            await ShortcutLab.SettleAsync(Lab, talk, Lab.Node(1));

            var moved = await MovedAsync(() => talk.ExchangeAsync(10, size: 100_000));

            Assert.Contains("mtu 1200", await Here.RunAsync("ip", "route", "get", server.Address.ToString()), StringComparison.Ordinal);
            // Aggregates make it fewer packets than segments.
            Assert.InRange(moved[0].Out2, 10, int.MaxValue);
            Assert.True(moved[0].Out2 > moved[0].Out1, $"{moved[0]}");
        }
        finally
        {
            await router.ExecAsync("sh", "-c", "ip link del veth3; echo 0 >/proc/sys/net/ipv4/ip_forward");
            await node.AttachPodsAsync(Cancel);
        }
    }

    [Fact]
    public async Task Container_OnAVethWithAHostRoute_IsOnTheShortcut()
    {
        var (node, pod) = (Lab.Node(2), Lab.Pod(2, 3));
        var gateway = (string)(await node.IpAsync("link", "show", "dev", "veth3"))[0]["address"]!;
        try
        {
            await node.RunAsync("sh", "-ec", $"ip link set veth3 nomaster; ip route add {pod.Address}/32 dev veth3");
            await pod.RunAsync("sh", "-ec",
                $"ip address flush dev eth0; ip address add {pod.Address}/32 dev eth0; ip neighbour add 169.254.1.1 lladdr {gateway} dev eth0 nud permanent;"
                + "ip route add default via 169.254.1.1 dev eth0 onlink");
            foreach (var talk in (Conversation[])[await TcpAsync(Here, pod), await TcpAsync(pod, Here)])
            {
                using (talk)
                {
                    await ShortcutLab.SettleAsync(Lab, talk);
                    ExpectShortcut(await MovedAsync(() => talk.ExchangeAsync(Count)));
                }
            }
        }
        finally
        {
            await node.AttachPodsAsync(Cancel);
        }
    }

    [Fact]
    public async Task Host_ToARemoteContainer_IsAnswered()
    {
        var node = Lab.Node(1);
        using var talk = await TcpAsync(node, There);
        await ShortcutLab.SettleAsync(Lab, talk, Lab.Node(2));
        var moved = await MovedAsync(() => talk.ExchangeAsync(Count));
        Assert.Equal(node.Subnet().Subnet.BaseAddress, talk.ClientSeen);
        // The host has no veth: lane 1 here. The other side is a container like any.
        Assert.Equal((0, 0), (moved[0].Out2, moved[0].In2));
        Assert.InRange(moved[0].Out1, Count, int.MaxValue);
        Assert.InRange(moved[1].Out2, Count - Strays, int.MaxValue);
        Assert.InRange(moved[1].In2, Count - Strays, int.MaxValue);
    }

    [Fact]
    public async Task Container_ToARemoteHost_IsAnswered()
    {
        var node = Lab.Node(2);
        // By the address on its bridge, through the overlay.
        using (var talk = await TcpAsync(Here, node, node.Subnet().Gateway))
        {
            await ShortcutLab.SettleAsync(Lab, talk, Lab.Node(1));
            var moved = await MovedAsync(() => talk.ExchangeAsync(Count));
            Assert.Equal(Here.Address, talk.ClientSeen);
            Assert.InRange(moved[0].Out2, Count - Strays, int.MaxValue);
            Assert.Equal((0, 0), (moved[1].Out2, moved[1].In2));
        }

        // By the address of the underlay, masqueraded.
        await ExpectOutsideAsync(Here, node, node.Address);
    }

    [Fact]
    public Task Container_ToTheOutside_IsMasqueraded() => ExpectOutsideAsync(Here, Lab.Etcd, Lab.Layout.EtcdAddress);

    [Fact]
    public async Task Containers_OfOneHost_TalkOverTheBridge()
    {
        using var talk = await TcpAsync(Here, Lab.Pod(1, 2));
        var moved = await MovedAsync(() => talk.ExchangeAsync(Count));
        Assert.Equal(Here.Address, talk.ClientSeen);
        Assert.All(moved, node => Assert.Equal(new LaneTally(0, 0, 0, 0), node));
    }

    [Fact]
    public async Task PublishedPort_FromBehindItAndFromAnotherHost_IsTranslatedBothWays()
    {
        var node = Lab.Node(1);
        (await node.ExecAsync(["nft", "-f", "-"], $$"""
            table ip published {
                chain arriving { type nat hook prerouting priority dstnat; tcp dport 8080 dnat to {{Here.Address}}:80; }
                chain leaving { type nat hook postrouting priority srcnat; ip saddr {{Here.Address}} ip daddr {{Here.Address}} masquerade; }
            }
            """, cancel: Cancel)).OrThrow();
        try
        {
            // A container reaches itself through the node. As with Docker, its port has to send back where it came from: with br_netfilter
            // the bridge forwards what is translated to an address behind it.
            await node.RunAsync("bridge", "link", "set", "dev", "veth1", "hairpin", "on");
            using (var talk = await Conversation.TcpAsync(Here, Here, node.Address, 80, 8080))
            {
                var moved = await MovedAsync(() => talk.ExchangeAsync(Count));
                Assert.Equal(node.Subnet().Gateway, talk.ClientSeen);
                Assert.All(moved, n => Assert.Equal(new LaneTally(0, 0, 0, 0), n));
            }

            // On the wire, what the container answers looks like any traffic between containers.
            using (var talk = await Conversation.TcpAsync(There, Here, node.Subnet().Gateway, 80, 8080))
            {
                await ShortcutLab.SettleAsync(Lab, talk, Lab.Node(2));
                var moved = await MovedAsync(() => talk.ExchangeAsync(Count));
                Assert.Equal(There.Address, talk.ClientSeen);
                Assert.Equal((0, 0), (moved[0].Out2, moved[0].In2));
                Assert.InRange(moved[0].Out1, Count, int.MaxValue);
                Assert.InRange(moved[1].Out2, Count - Strays, int.MaxValue);
            }
        }
        finally
        {
            await node.RunAsync("sh", "-ec", "bridge link set dev veth1 hairpin off; nft delete table ip published");
        }
    }

    [Fact]
    public async Task Hops_OfAFlowOnTheShortcut_AreThoseOfTheDriver()
    {
        var (node, other) = (Lab.Node(1), Lab.Node(2));
        using var talk = Udp(Here, There);
        await ShortcutLab.SettleAsync(Lab, talk);
        var hops = new List<string>();
        var moved = await MovedAsync(async () => hops = await Traceroute.HopsAsync(Here, talk));
        Output.WriteLine($"measured: {string.Join(", ", hops)}; {string.Join("; ", (object[])moved)}");
        // The datagrams with a TTL of 2 and 3; the answer to the last.
        Assert.InRange(moved[0].Out2, 1, 2);
        Assert.InRange(moved[1].Out2, 1, 1);

        try
        {
            await RestartAsync(other, "--datapath=kernel");
            await RestartAsync(node, "--datapath=kernel");
            var driver = await Traceroute.HopsAsync(Here, talk);

            Assert.Equal([node.Subnet().Gateway.ToString(), other.Subnet().Subnet.BaseAddress.ToString(), There.Address.ToString()], driver);
            Assert.Equal(driver, hops);
        }
        finally
        {
            await RestoreAsync();
        }
    }

    [Fact]
    public async Task Nodes_OneOnTheShortcutOneOnTheDriver_TalkBothWays()
    {
        try
        {
            await RestartAsync(Lab.Node(2), "--datapath=kernel");
            foreach (var (from, to) in ((LabPod, LabPod)[])[(Here, There), (There, Here)])
            {
                using var tcp = await TcpAsync(from, to);
                using var udp = Udp(from, to);
                foreach (var talk in (Conversation[])[tcp, udp])
                {
                    await Wait.UntilAsync("the one side on the shortcut", async () => (await ByNode1Async(talk, 5)) is { Out2: >= 5, In2: >= 5 }, cancel: Cancel);
                    var moved = await ByNode1Async(talk, Count);
                    Assert.InRange(moved.Out2, Count - Strays, int.MaxValue);
                    Assert.InRange(moved.In2, Count - Strays, int.MaxValue);
                }
            }
        }
        finally
        {
            await RestoreAsync();
        }

        async Task<LaneTally> ByNode1Async(Conversation talk, int count)
        {
            var before = await LaneTally.OfAsync(Lab.Node(1));
            await talk.ExchangeAsync(count);
            return await LaneTally.OfAsync(Lab.Node(1)) - before;
        }
    }

    private static Task<Conversation> TcpAsync(LabHost from, LabPod to) => TcpAsync(from, to, to.Address);

    private static Task<Conversation> TcpAsync(LabHost from, LabHost at, IPAddress address) => Conversation.TcpAsync(from, at, address, NextPort());

    private static Conversation Udp(LabHost from, LabPod to) => Conversation.Udp(from, to, to.Address, NextPort());

    // A flow must not find the conntrack entry of an earlier one.
    private static int NextPort() => Interlocked.Increment(ref _port);

    private static async Task PingAsync(LabPod from, IPAddress to, params string[] options)
    {
        var ping = await from.RunAsync(["ping", "-n", "-i", "0.01", "-c", $"{Count}", .. options, to.ToString()]);
        Assert.Contains($"{Count} received", ping, StringComparison.Ordinal);
    }

    private static void ExpectShortcut(LaneTally[] moved) => Assert.All(moved, node =>
    {
        Assert.InRange(node.Out2, Count - Strays, int.MaxValue);
        Assert.InRange(node.In2, Count - Strays, int.MaxValue);
        Assert.InRange(node.Out1, 0, Strays);
    });

    private Task<LaneTally[]> MovedAsync(Func<Task> work) => ShortcutLab.MovedAsync(Lab, work);

    private async Task ExpectOutsideAsync(LabPod from, LabHost at, IPAddress address)
    {
        using var talk = await TcpAsync(from, at, address);
        var moved = await MovedAsync(() => talk.ExchangeAsync(Count));
        Assert.Equal(Lab.Node(1).Address, talk.ClientSeen);
        Assert.All(moved, node => Assert.Equal(new LaneTally(0, 0, 0, 0), node));
    }

    private static async Task RestartAsync(LabNode node, params string[] flags)
    {
        await node.StopAgentAsync();
        node.StartAgent(flags);
        await node.WaitReadyAsync(cancel: Cancel);
    }

    private async Task RestoreAsync()
    {
        foreach (var node in Lab.Nodes)
        {
            if ((string?)(await AgentSocket.StatusAsync(node))["datapath"] != "bpf")
                await RestartAsync(node);
            await ShortcutLab.WaitOpenAsync(node);
        }
    }

    /// <summary>Two hosts with three containers each.</summary>
    public sealed class TwoNodes() : ShortcutLab(pods: 3);
}
