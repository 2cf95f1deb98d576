using System.Collections.Concurrent;
using System.Net;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;
using Accelerated.Interop.Netlink;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;
using SubnetKey = Accelerated.Interop.Libbpf.Overlay.SubnetKey;

namespace Accelerated.System.Tests.Lanes;

/// <summary>A peer that a route leads to can answer: whoever guards knows it before the route is there, so no answer is refused.</summary>
public sealed class GuardOrderTests(ITestOutputHelper output) : LabTest(output)
{
    private const int Peers = 30;

    // The node takes one of the first hundred subnets for itself.
    private const int First = 200;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Peer_WhenItsRouteComes_IsKnownToTheGuardAlready(bool joinsWhileTheAgentIsAway)
    {
        var lab = await UpAsync(new LabSpec { Nodes = 1, PodsPerNode = 0, Datapath = LabSpec.BpfDatapath });
        var node = lab.Node(1);
        node.StartAgent();
        await node.WaitReadyAsync(cancel: Cancel);
        await node.WaitDatapathAsync("bpf");
        using var vteps = BpfMap.OpenPinned($"{node.Pins()}/vteps")!;
        using var subnets = BpfMap.OpenPinned($"{node.Pins()}/subnets")!;
        using var slots = BpfMap.OpenPinned($"{node.Pins()}/subnet_slots")!;
        var unknown = new ConcurrentQueue<string>();
        var routes = 0;
        using var monitor = NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{node.Namespace}", () => RouteMonitor.Start(happened =>
        {
            if (happened is not { Kind: RouteEventKind.Route, Removed: false, Protocol: RouteProtocol.Accelerated, Destination: { } subnet })
                return;
            Interlocked.Increment(ref routes);
            var remote = Remote(subnet.BaseAddress.GetAddressBytes()[2] - First);
            if (!vteps.Keys<VtepKey>().Any(k => k.Address.ToIPAddress().Equals(remote)))
                unknown.Enqueue($"{remote} is not in the map of VTEPs when the route to {subnet} comes");
            if (!subnets.TryLookup(SubnetKey.From(subnet), out SubnetValue value) || !value.Vtep.ToIPAddress().Equals(remote))
                unknown.Enqueue($"{subnet} is not in the map of subnets when the route to it comes");
            // Found before the map of subnets, unless it is empty.
            if (slots.TryLookup((uint)subnet.BaseAddress.GetAddressBytes()[2], out SubnetValue first) && first.Transport != OverlayTransport.None && !first.Vtep.ToIPAddress().Equals(remote))
                unknown.Enqueue($"the slot of {subnet} is another's when the route to it comes");
        }));

        if (joinsWhileTheAgentIsAway)
            await node.KillAgentAsync();
        for (var number = 0; number < Peers; number++)
            await lab.Etcd.CtlAsync("put", LabSteps.KeyName($"10.5.{First + number}.0/24"), LabSteps.LeaseValue($"{Remote(number)}", $"02:00:00:00:01:{number:x2}"));
        if (joinsWhileTheAgentIsAway)
            node.StartAgent();

        await node.WaitAgentAsync("the routes", () => Task.FromResult(Volatile.Read(ref routes) >= Peers), cancel: Cancel);
        Assert.Empty(unknown);
    }

    private static IPAddress Remote(int number) => IPAddress.Parse($"192.0.2.{10 + number}");
}
