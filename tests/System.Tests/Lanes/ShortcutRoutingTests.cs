using System.Net;
using System.Net.Sockets;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Whatever sends a flow another way than through the overlay is obeyed although the shortcut carries it: policy rules, routes, a proxy on the node, a container that is a gateway.</summary>
public sealed class ShortcutRoutingTests(ShortcutLab shared, ITestOutputHelper output) : SharedLabTest(shared, output), IClassFixture<ShortcutLab>
{
    private const string Table = "100";

    private LabNode Node => Lab.Node(1);

    private LabPod Local => Lab.Pod(1, 1);

    private LabPod Remote => Lab.Pod(2, 1);

    [Theory]
    [InlineData("rule", "from {local} blackhole")]
    [InlineData("rule", "from {local} unreachable")]
    [InlineData("rule", "to {remote} prohibit")]
    [InlineData("route", "blackhole {remote}")]
    [InlineData("route", "unreachable {remote} table local")]
    public async Task Way_ClosedUnderALiveFlow_StopsItAndOpenedLetsItGoOn(string kind, string what)
    {
        var words = what.Replace("{local}", $"{Local.Address}", StringComparison.Ordinal).Replace("{remote}", $"{Remote.Address}", StringComparison.Ordinal).Split(' ');
        await using var talk = await Talk.StartAsync("udp", Local, Remote);
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);

        await Node.RunAsync(["ip", kind, "add", .. words]);
        try
        {
            await talk.WaitSilenceAsync();
            var heard = talk.Heard;
            await talk.WaitSilenceAsync();
            Assert.Equal(heard, talk.Heard);
        }
        finally
        {
            await Node.RunAsync(["ip", kind, "del", .. words]);
        }

        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
    }

    [Fact]
    public async Task Rule_ToATableWithAnotherWay_TakesALiveFlowThere()
    {
        await Node.RunAsync("ip", "route", "add", "default", "via", $"{Lab.Layout.EtcdAddress}", "dev", "eth0", "table", Table);
        await using var talk = await Talk.StartAsync("udp", Local, Remote);
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
        await using var elsewhere = await Lab.Etcd.StartCaptureAsync("eth0", $"udp and dst host {Remote.Address}", Cancel);

        string[] rule = ["from", $"{Local.Address}", "lookup", Table];
        await Node.RunAsync(["ip", "rule", "add", .. rule]);
        try
        {
            await elsewhere.WaitPacketsAsync(50, cancel: Cancel);
            await talk.WaitSilenceAsync();
        }
        finally
        {
            await Node.RunAsync(["ip", "rule", "del", .. rule]);
            await Node.RunAsync("ip", "route", "flush", "table", Table);
        }

        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
    }

    [Fact]
    public async Task Proxy_DivertingALiveFlow_GetsItsPackets()
    {
        using var proxy = TransparentSocket(ProtocolType.Udp);
        await using var talk = await Talk.StartAsync("udp", Local, Remote);
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);

        await using (await DivertAsync("udp"))
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
            limit.CancelAfter(Wait.DefaultDeadline);
            var question = new byte[64];
            for (var diverted = 0; diverted < 50; diverted++)
                _ = await proxy.ReceiveAsync(question, SocketFlags.None, limit.Token);
            await talk.WaitSilenceAsync();
        }

        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
    }

    [Fact]
    public async Task Proxy_AnsweringForARemoteContainer_KeepsTheConnection()
    {
        await using var diverted = await DivertAsync("tcp");
        using var proxy = TransparentSocket(ProtocolType.Tcp);
        proxy.Listen();
        using var server = Talk.Open(Remote, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Any, Port));
        server.Listen();
        var before = await LaneMeter.ReadAsync(Node);
        using var client = Talk.Open(Local, ProtocolType.Tcp);
        await client.ConnectAsync(new IPEndPoint(Remote.Address, Port), Cancel).AsTask().WaitAsync(Wait.DefaultDeadline, Cancel);
        using var connection = await proxy.AcceptAsync(Cancel).AsTask().WaitAsync(Wait.DefaultDeadline, Cancel);

        // To and fro until a connection without a proxy would long be on the shortcut.
        var message = new byte[1];
        for (var turn = 0; turn < 500; turn++)
        {
            foreach (var (from, to) in ((Socket, Socket)[])[(client, connection), (connection, client)])
            {
                await from.SendAsync(message, SocketFlags.None, Cancel);
                Assert.Equal(1, await to.ReceiveAsync(message, SocketFlags.None, Cancel).AsTask().WaitAsync(Wait.DefaultDeadline, Cancel));
            }
        }

        Assert.Equal(new IPEndPoint(Remote.Address, Port), connection.LocalEndPoint);
        Assert.Equal(before, await LaneMeter.ReadAsync(Node));
    }

    [Fact]
    public async Task Gateway_AnotherContainer_SeesEveryPacketOfALiveFlow()
    {
        var gateway = Lab.Pod(1, 2);
        var node = Node.Subnet().Gateway;
        // A router that says nothing of shorter ways.
        await gateway.RunAsync("sh", "-ec", "echo 1 >/proc/sys/net/ipv4/ip_forward; for f in /proc/sys/net/ipv4/conf/*/send_redirects; do echo 0 >$f; done");
        await using var passed = await RuleTool.NftAsync(gateway, $"chain forward {{ type filter hook forward priority filter; ip saddr {Local.Address} ip daddr {Remote.Address} counter; }}");
        await using var talk = await Talk.StartAsync("udp", Local, Remote);
        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
        Assert.Equal(0, await passed.PacketsAsync());

        await Local.RunAsync("ip", "route", "replace", "default", "via", $"{gateway.Address}");
        try
        {
            await talk.WaitAnswersAsync(20);
            var (before, asked) = (await passed.PacketsAsync(), talk.Asked);
            var out2 = await LaneMeter.ReadAsync(Node);
            await talk.WaitAnswersAsync(100);
            var (through, questions) = (await passed.PacketsAsync() - before, talk.Asked - asked);
            Output.WriteLine($"measured: {through} of {questions} questions through the gateway");
            Assert.InRange(through, 100, long.MaxValue);
            Assert.Equal(out2.Out, (await LaneMeter.ReadAsync(Node)).Out);

            await using (await RuleTool.DropAsync(Node, RuleTool.Nft, "198.18.0.1", "198.18.0.2"))
            {
                // A new generation changes nothing about it.
                await talk.WaitAnswersAsync(100);
                Assert.Equal(out2.Out, (await LaneMeter.ReadAsync(Node)).Out);
            }
        }
        finally
        {
            await Local.RunAsync("ip", "route", "replace", "default", "via", $"{node}");
            await gateway.RunAsync("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward");
        }

        await LaneMeter.WaitCarriedAsync(talk, Lab.Nodes);
    }

    private const int Port = 7000;
    private const int ProxyPort = 7999;

    /// <summary>Hands what the container sends to the port over to <see cref="ProxyPort"/> on the node, as transparent proxies do (kernel: tproxy.rst).</summary>
    private async Task<RuleTool.Rule> DivertAsync(string protocol)
    {
        string[] rule = ["fwmark", "1", "lookup", Table];
        // Where the bridge calls iptables, the rule sees a packet there and not again in IP, which takes the proxy's socket off it (ip_rcv_core).
        await Node.RunAsync("sh", "-c", "f=/proc/sys/net/bridge/bridge-nf-call-iptables; test ! -e $f || echo 0 >$f");
        await Node.RunAsync("ip", "route", "add", "local", "default", "dev", "lo", "table", Table);
        await Node.RunAsync(["ip", "rule", "add", .. rule]);
        var table = await RuleTool.NftAsync(
            Node, $"chain prerouting {{ type filter hook prerouting priority mangle; ip saddr {Local.Address} {protocol} dport {Port} counter tproxy to :{ProxyPort} meta mark set 1 accept; }}");
        return new(
            async () =>
            {
                await table.RemoveAsync();
                await Node.RunAsync(["ip", "rule", "del", .. rule]);
                await Node.RunAsync("ip", "route", "flush", "table", Table);
            },
            table.PacketsAsync);
    }

    private Socket TransparentSocket(ProtocolType protocol)
    {
        const int solIp = 0, ipTransparent = 19;
        var socket = Talk.Open(Node, protocol);
        socket.SetRawSocketOption(solIp, ipTransparent, BitConverter.GetBytes(1));
        socket.Bind(new IPEndPoint(IPAddress.Any, ProxyPort));
        return socket;
    }
}
