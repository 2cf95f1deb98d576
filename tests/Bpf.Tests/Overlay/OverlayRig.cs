using System.Net;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>The overlay's programs as one node has them: loaded, with its configuration and peers, and counters at zero.</summary>
internal sealed class OverlayRig : IDisposable
{
    public const int Unspec = -1;
    public const int Shot = 2;
    public const int Redirect = 7;

    /// <summary>BPF_PROG_TEST_RUN takes no IPv4 frame without a whole IP header (Linux 6.18).</summary>
    public const int ShortestFrame = 34;

    private readonly UnderlayNamespace _underlay;
    private readonly int _interface;
    private readonly BpfProgram _egress;
    private readonly BpfMap _subnets;
    private readonly BpfMap _vteps;
    private readonly BpfMap _stats;
    private readonly BpfMap _config;
    private readonly BpfMap _allowed;

    public OverlayRig(UnderlayNamespace underlay, Node? self = null)
    {
        _underlay = underlay;
        self ??= Nodes.One;
        _interface = self == Nodes.One ? underlay.UnderlayIndex : underlay.FarIndex;
        using var overlay = BpfObject.Open(BpfCompiler.Overlay, "overlay");
        overlay.Load();
        _egress = overlay.Program("overlay_out");
        Ingress = overlay.Program("underlay_in");
        _subnets = overlay.Map("subnets");
        _vteps = overlay.Map("vteps");
        _stats = overlay.Map("lane_stats");
        _config = overlay.Map("config");
        _allowed = overlay.Map("guard_allow");
        Config = new()
        {
            OverlayIfindex = 1,
            UnderlayIfindex = (uint)_interface,
            Local = OverlayAddress.From(self.Underlay),
            OverlayMac = OverlayMac.From(self.OverlayMac),
            Guard = OverlayGuard.Vtep,
            Vni = Nodes.Vni,
            Port = Nodes.Port,
            SourcePortLow = 32768,
            SourcePortHigh = 61000,
            TunnelIn = 1,
        };
        Configure(c => c);
        foreach (var node in (Node[])[Nodes.One, Nodes.Two, Nodes.Three])
        {
            SetSubnet(node, node == self ? OverlayTransport.Local : OverlayTransport.Vxlan);
            if (node != self)
                AddVtep(node.Underlay);
        }
    }

    public ConfigValue Config { get; private set; }

    public BpfProgram Ingress { get; }

    public void Configure(Func<ConfigValue, ConfigValue> change)
    {
        Config = change(Config);
        _config.Update(0u, Config);
    }

    public void SetSubnet(Node node, OverlayTransport transport) =>
        _subnets.Update(
            SubnetKey.From(node.Subnet),
            new SubnetValue { Vtep = OverlayAddress.From(node.Underlay), VtepMac = OverlayMac.From(node.OverlayMac), Transport = transport });

    public void AddVtep(IPAddress address) => Assert.True(_vteps.TryAdd(VtepKey.From(address), default(VtepValue)));

    public void Allow(string network) => _allowed.Update(SubnetKey.From(IPNetwork.Parse(network)), default(AllowValue));

    public void RemoveVtep(Node node) => Assert.True(_vteps.Delete(VtepKey.From(node.Underlay)));

    /// <summary>Runs TC egress of flannel.VNI. The packet type does not matter there; the interface only gives the namespace.</summary>
    public BpfTestRun Out(byte[] frame, int gsoSize = 0) => Run(_egress, frame, gsoSize);

    /// <summary>Runs TC ingress of the node's underlay interface.</summary>
    public BpfTestRun In(byte[] frame, int gsoSize = 0) => Run(Ingress, frame, gsoSize);

    /// <summary>All counters that are not zero, as "lane counter=value", summed over the CPUs.</summary>
    public List<string> Counters
    {
        get
        {
            var found = new List<string>();
            foreach (var lane in Enum.GetValues<OverlayLane>())
            {
                var sum = LaneCounters.Sum(_stats.LookupPerCpu<uint, LaneCounters>((uint)lane)!);
                for (var i = 0; i < LaneCounters.Names.Count; i++)
                {
                    if (sum.Values[i] != 0)
                        found.Add($"{(lane == OverlayLane.Lane1Out ? "out" : "in")} {LaneCounters.Names[i]}={sum.Values[i]}");
                }
            }

            return found;
        }
    }

    /// <summary>These counters are not zero, and no others.</summary>
    public void ExpectCounters(params string[] expected) => Assert.Equal(expected.Order(), Counters.Order());

    /// <summary>What was carried to and from a node; every other node's counters must be zero.</summary>
    public void ExpectTraffic(Node? node, int packetsOut = 0, int bytesOut = 0, int packetsIn = 0, int bytesIn = 0)
    {
        foreach (var (key, perCpu) in _vteps.ReadAllPerCpu<VtepKey, VtepValue>())
        {
            var sum = VtepValue.Sum(perCpu);
            var found = (key.ToString(), (int)sum.PacketsOut, (int)sum.BytesOut, (int)sum.PacketsIn, (int)sum.BytesIn);
            var wanted = IPAddress.Equals(node?.Underlay, key.Address.ToIPAddress())
                ? (key.ToString(), packetsOut, bytesOut, packetsIn, bytesIn)
                : (key.ToString(), 0, 0, 0, 0);
            Assert.Equal(wanted, found);
        }
    }

    /// <summary>The packet went on to the next slower lane, and is the packet that came.</summary>
    public static void ExpectPassed(byte[] packet, BpfTestRun run)
    {
        Assert.Equal(Unspec, run.ReturnValue);
        Assert.Equal(packet, run.Packet);
    }

    public void Dispose()
    {
        foreach (var one in (IDisposable[])[_egress, Ingress, _subnets, _vteps, _stats, _config, _allowed])
            one.Dispose();
    }

    private BpfTestRun Run(BpfProgram program, byte[] frame, int gsoSize)
    {
        var context = new BpfTestContext { InterfaceIndex = _interface, GsoSize = gsoSize };
        return _underlay.Invoke(() => program.Run(frame, context));
    }
}
