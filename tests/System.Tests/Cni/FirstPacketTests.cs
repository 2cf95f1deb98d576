using System.Net;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;
using Accelerated.System.Tests.Lanes;

namespace Accelerated.System.Tests.Cni;

/// <summary>The plugin tells the agent: when ADD returns, the shortcut knows the container, which has not sent a packet yet.</summary>
public sealed class FirstPacketTests(ITestOutputHelper output) : LabTest(output)
{
    private const int Messages = 50;

    [Fact]
    public async Task Container_WhenAddReturns_IsOnTheShortcut()
    {
        // Nothing else would have the agent look within the test's time.
        var lab = await UpAsync(new LabSpec { PodsPerNode = 4, Datapath = LabSpec.BpfDatapath, AgentFlags = ["--reconcile-interval=10m"] });
        await lab.StartAllWithoutPodsAsync(Cancel);
        var hosts = lab.Nodes.Select(n => new CniHost(n, "1.1")).ToList();
        foreach (var node in lab.Nodes)
            await OpenShortcutLab.WaitOpenAsync(node);

        foreach (var number in Enumerable.Range(1, 3))
        {
            foreach (var (node, host) in lab.Nodes.Zip(hosts))
                await ExpectOpenAsync(node, host, lab.Pod(node.Number, number));
        }

        // An address that another container had a moment ago: host-local gives the last one again.
        var last = $"{hosts[0].AddressFolder}/cbr0/last_reserved_ip.0";
        await hosts[0].DeleteAsync(lab.Pod(1, 3), hosts[0].Network());
        var before = IPAddress.Parse(await File.ReadAllTextAsync(last, Cancel)).GetAddressBytes();
        before[3]--;
        await File.WriteAllTextAsync(last, new IPAddress(before).ToString(), Cancel);
        before[3]++;
        Assert.Equal(new IPAddress(before), await ExpectOpenAsync(lab.Node(1), hosts[0], lab.Pod(1, 4)));

        // A flow that begins now takes the shortcut as soon as both sides have accepted it.
        var address = IPAddress.Parse(await AddressAsync(lab.Pod(2, 1)));
        using var talk = await Conversation.TcpAsync(lab.Pod(1, 1), lab.Pod(2, 1), address, 7000);
        var moved = await OpenShortcutLab.MovedAsync(lab, () => talk.ExchangeAsync(Messages));
        Output.WriteLine($"measured: {string.Join("; ", (object[])moved)}");
        Assert.All(moved, node => Assert.InRange(node.Out2, Messages * 9 / 10, int.MaxValue));
    }

    [Fact]
    public async Task Add_WhileTheAgentHangs_Succeeds()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 2, Datapath = LabSpec.BpfDatapath });
        await lab.StartAllWithoutPodsAsync(Cancel);
        var (node, host) = (lab.Node(1), new CniHost(lab.Node(1), "1.1"));
        await node.RunAsync("kill", "-STOP", $"{node.AgentProcessId}");
        try
        {
            var took = await CniHost.TimeAsync(() => host.AddAsync(lab.Pod(1, 1), host.Network()));
            Output.WriteLine($"measured: ADD beside an agent that hangs {took.TotalMilliseconds:0} ms");
        }
        finally
        {
            await node.RunAsync("kill", "-CONT", $"{node.AgentProcessId}");
        }

        await node.StopAgentAsync();
        await host.AddAsync(lab.Pod(1, 2), host.Network());
    }

    [Fact]
    public async Task Look_ForWhatIsNoContainerOfThisNode_AnswersWithNothing()
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = LabSpec.BpfDatapath });
        await lab.StartAllWithoutPodsAsync(Cancel);
        using var socket = new AgentSocket(lab.Node(1));

        await socket.SendAsync("""{"method":"look","addresses":["192.0.2.250","nonsense","10.5.0.0/16","::1"]}""" + "\n");
        Assert.Equal("""{"containers":[]}""", await socket.LineAsync());
        await socket.SendAsync("""{"method":"look"}""" + "\n");
        Assert.Equal("""{"containers":[]}""", await socket.LineAsync());
    }

    private static async Task<IPAddress> ExpectOpenAsync(LabNode node, CniHost host, LabPod pod)
    {
        var address = CniHost.AddressOf(await host.AddAsync(pod, host.Network()));
        // At once: nothing is waited for.
        var containers = (await AgentSocket.StatusAsync(node))["containers"]!.AsArray();
        Assert.True(containers.Any(c => (string?)c!["address"] == address && c["leftOut"] is null), $"{address} of {node.Namespace}: {containers}\n{node.LogTail()}");
        return IPAddress.Parse(address);
    }

    private static async Task<string> AddressAsync(LabPod pod) =>
        (string)(await pod.IpAsync("-4", "address", "show", "dev", "eth0"))[0]["addr_info"]![0]!["local"]!;
}
