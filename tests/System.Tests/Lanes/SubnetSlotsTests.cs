using System.Net;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;
using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>The slots of subnets say what the map of subnets says, whatever happened to them.</summary>
public sealed class SubnetSlotsTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly LabSpec OneNode = new() { Nodes = 1, PodsPerNode = 0, Datapath = LabSpec.BpfDatapath, AgentFlags = ["--reconcile-interval=1s"] };
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Slots_WhilePeersComeChangeAndGo_AreTheMapOfSubnets()
    {
        var node = await StartAsync();
        var etcd = node.Etcd;
        await etcd.CtlAsync("put", LabSteps.KeyName("10.5.201.0/24"), LabSteps.LeaseValue("192.0.2.71", "02:00:00:00:00:71"));
        await etcd.CtlAsync("put", LabSteps.KeyName("10.5.202.0/24"), LabSteps.LeaseValue("192.0.2.72", "02:00:00:00:00:72"));
        // Of another size, so it has none.
        await etcd.CtlAsync("put", LabSteps.KeyName("10.5.203.128/25"), LabSteps.LeaseValue("192.0.2.73", "02:00:00:00:00:73"));
        await WaitEqualAsync(node, "10.5.201.0/24", "10.5.202.0/24", "10.5.203.128/25");
        Assert.Equal(3, node.Slots().Count);

        await etcd.CtlAsync("put", LabSteps.KeyName("10.5.201.0/24"), LabSteps.LeaseValue("192.0.2.81", "02:00:00:00:00:81"));
        await etcd.CtlAsync("del", LabSteps.KeyName("10.5.202.0/24"));
        await WaitEqualAsync(node, "10.5.201.0/24", "10.5.203.128/25");

        Assert.Equal("192.0.2.81", node.Slots()[201].Vtep.ToString());
        Assert.Equal(2, node.Slots().Count);
    }

    [Fact]
    public async Task Slots_SomeoneMeddles_AreCorrected()
    {
        var node = await StartAsync();
        await node.Etcd.CtlAsync("put", LabSteps.KeyName("10.5.201.0/24"), LabSteps.LeaseValue("192.0.2.71", "02:00:00:00:00:71"));
        await WaitEqualAsync(node, "10.5.201.0/24");

        using (var slots = node.OpenSlots())
        {
            slots.Update(201u, default(SubnetValue));
            slots.Update(7u, new SubnetValue { Vtep = OverlayAddress.From(IPAddress.Parse("192.0.2.99")), Transport = OverlayTransport.Vxlan });
        }

        await WaitEqualAsync(node, "10.5.201.0/24");
        await node.Node.WaitAgentAsync("a word about it", () => Task.FromResult(File.ReadAllText(node.Node.LogFile).Contains("correct the slots of subnets", StringComparison.Ordinal)), Soon, Cancel);
    }

    // As an agent leaves them that is killed while it writes, and as one leaves them whose network is cut in another way.
    [Theory]
    [InlineData(0x0a050000, 256, 8)]
    [InlineData(0x0a050000, 512, 7)]
    [InlineData(0x0a060000, 256, 8)]
    public async Task Slots_ThatAnEarlierAgentLeft_AreWrittenAnew(uint begin, uint count, byte shift)
    {
        var node = await StartAsync();
        await node.Etcd.CtlAsync("put", LabSteps.KeyName("10.5.201.0/24"), LabSteps.LeaseValue("192.0.2.71", "02:00:00:00:00:71"));
        await WaitEqualAsync(node, "10.5.201.0/24");
        await node.Node.KillAgentAsync();
        using (var slots = node.OpenSlots())
        using (var config = BpfMap.OpenPinned($"{node.Node.Pins()}/config")!)
        {
            Assert.True(config.TryLookup(0u, out ConfigValue value));
            config.Update(0u, value with { SlotsBegin = begin, Slots = count, SlotShift = shift });
            slots.Update(201u, default(SubnetValue));
            slots.Update(7u, new SubnetValue { Vtep = OverlayAddress.From(IPAddress.Parse("192.0.2.99")), Transport = OverlayTransport.Vxlan });
        }

        node.Node.StartAgent();
        await node.Node.WaitReadyAsync(cancel: Cancel);
        await WaitEqualAsync(node, "10.5.201.0/24");
    }

    private async Task<SlotNode> StartAsync()
    {
        var lab = await UpAsync(OneNode);
        lab.Node(1).StartAgent();
        await lab.Node(1).WaitReadyAsync(cancel: Cancel);
        await lab.Node(1).WaitDatapathAsync("bpf");
        return new(lab.Node(1), lab.Etcd);
    }

    /// <summary>Waits until the map of subnets has the node's own and these, and the slots that are in use the same.</summary>
    private static Task WaitEqualAsync(SlotNode node, params string[] peers) => node.Node.WaitAgentAsync(
        $"slots of {string.Join(", ", peers)}",
        () =>
        {
            var subnets = node.Subnets();
            var slots = node.Slots();
            return Task.FromResult(
                subnets.Keys.Order().SequenceEqual(peers.Append($"{node.Node.Subnet().Subnet}").Order())
                && slots.Count == subnets.Keys.Count(s => s.EndsWith("/24", StringComparison.Ordinal))
                && slots.All(s => subnets.TryGetValue($"10.5.{s.Key}.0/24", out var value) && value == (s.Value.Vtep.ToString(), s.Value.VtepMac.ToString(), s.Value.Transport)));
        },
        Soon, Cancel);

    private sealed record SlotNode(LabNode Node, LabEtcd Etcd)
    {
        public BpfMap OpenSlots() => BpfMap.OpenPinned($"{Node.Pins()}/subnet_slots")!;

        /// <summary>The slots that say something and are in use, by the third octet of 10.5.0.0/16; none if the network is cut in another way.</summary>
        public Dictionary<uint, SubnetValue> Slots()
        {
            using var config = BpfMap.OpenPinned($"{Node.Pins()}/config")!;
            using var slots = OpenSlots();
            return config.TryLookup(0u, out ConfigValue value) && (value.SlotsBegin, value.Slots, value.SlotShift) == (0x0a050000, 256, 8)
                ? slots.ReadAll<uint, SubnetValue>(256).Where(s => s.Value.Transport != OverlayTransport.None).ToDictionary(s => s.Key, s => s.Value)
                : [];
        }

        public Dictionary<string, (string Vtep, string Mac, OverlayTransport Transport)> Subnets()
        {
            using var subnets = BpfMap.OpenPinned($"{Node.Pins()}/subnets")!;
            return subnets.ReadAll<SubnetKey, SubnetValue>().ToDictionary(s => s.Key.ToString(), s => (s.Value.Vtep.ToString(), s.Value.VtepMac.ToString(), s.Value.Transport));
        }
    }
}
