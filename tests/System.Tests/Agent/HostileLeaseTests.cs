using Accelerated.Lab;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>Keys under <c>subnets/</c> that would break the network if they were believed. Each is left out and named, and the rest goes on.</summary>
public sealed class HostileLeaseTests(ITestOutputHelper output) : LabTest(output)
{
    [Theory]
    [InlineData("kernel")]
    [InlineData("auto")]
    public async Task Leases_ThatClaimWhatIsNotTheirs_AreLeftOutAndNamed(string datapath)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 2, Datapath = datapath });
        await lab.StartAllAsync(cancel: Cancel);
        await lab.WaitRoutesAsync(cancel: Cancel);
        var node = lab.Node(1);
        await node.WaitLinkLocalAsync(Cancel);
        await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
        await ping.WaitAnswersAsync(5, cancel: Cancel);
        var (overlay, routes) = (await Overlay.OfKernelAsync(node), await RoutesAsync(node));
        var own = node.Subnet().Subnet.ToString();
        (string Name, string Value, string Reason)[] claims =
        [
            ("0.0.0.0-0", Value("192.0.2.77"), "0.0.0.0/0 is not inside Network 10.5.0.0/16"),
            ("127.0.0.0-8", Value("192.0.2.77"), "127.0.0.0/8 is not inside Network"),
            ("224.0.0.0-4", Value("192.0.2.77"), "224.0.0.0/4 is not inside Network"),
            ("10.6.1.0-24", Value("192.0.2.77"), "10.6.1.0/24 is not inside Network"),
            ("192.0.2.0-24", Value("192.0.2.77"), "192.0.2.0/24 is not inside Network"), // The underlay.
            (own.Replace("/24", "-25", StringComparison.Ordinal), Value("192.0.2.77"), $"the subnet overlaps this node's own {own}"),
            ("10.5.200.0-24", Value("127.0.0.1"), "PublicIP 127.0.0.1 is not a unicast address"),
            ("10.5.201.0-24", Value("224.0.0.5"), "PublicIP 224.0.0.5 is not a unicast address"),
            ("10.5.202.0-24", Value("192.0.2.1"), "PublicIP 192.0.2.1 is this node's own"),
            ("10.5.203.0-24", Value("10.5.203.9"), "PublicIP 10.5.203.9 is inside the subnet it should lead to"),
            ("10.5.204.0-24", "{", "the value is not JSON"),
            ("10.5.300.0-24", Value("192.0.2.77"), "the key is not a subnet like"),
        ];

        foreach (var (name, value, _) in claims)
            await lab.Etcd.CtlAsync("put", $"{LabEtcd.Prefix}/subnets/{name}", value);
        var status = await AgentSocket.WaitAsync(node, "all of them", s => s["rejected"]!.AsArray().Count == claims.Length);

        Assert.Equal("warning", (string?)status["health"]);
        var shown = await node.ShowStatusAsync(Cancel);
        Output.WriteLine(shown.Stdout);
        Assert.All(claims, claim => Assert.Matches($@"(?m)^ +{claim.Name.Replace(".", "\\.", StringComparison.Ordinal)} +.*{claim.Reason.Replace(".", "\\.", StringComparison.Ordinal)}", shown.Stdout));
        Assert.Contains("etcdctl del", shown.Stdout, StringComparison.Ordinal);
        Assert.Equal((overlay, routes), (await Overlay.OfKernelAsync(node), await RoutesAsync(node)));
        await ping.WaitAnswersAsync(20, cancel: Cancel);
        Assert.Equal(0, (await ping.StopAsync()).Lost);
    }

    private static string Value(string publicIP) => LabSteps.LeaseValue(publicIP, "02:00:00:00:00:77");

    private static Task<string> RoutesAsync(LabNode node) => node.RunAsync("ip", "-4", "route", "show", "table", "all");
}
