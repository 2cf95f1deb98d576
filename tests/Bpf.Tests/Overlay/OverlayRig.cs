using System.Net;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>The overlay's programs as one node has them: loaded, with its configuration and peers, and counters at zero.</summary>
internal class OverlayRig : IDisposable
{
    public const int Unspec = -1;
    public const int Shot = 2;
    public const int Redirect = 7;

    /// <summary>BPF_PROG_TEST_RUN takes no IPv4 frame without a whole IP header (Linux 6.18).</summary>
    public const int ShortestFrame = 34;

    private static readonly Dictionary<OverlayLane, string> LaneNames = new()
    {
        [OverlayLane.Lane1Out] = "out",
        [OverlayLane.Lane1In] = "in",
        [OverlayLane.Lane2Out] = "2 out",
        [OverlayLane.Lane2In] = "2 in",
        [OverlayLane.Lane3In] = "3 in",
    };

    private readonly UnderlayNamespace _underlay;
    private readonly int _interface;
    private readonly BpfProgram _egress;
    private readonly BpfMap _subnets;
    private readonly BpfMap _slots;
    private readonly BpfMap _vteps;
    private readonly BpfMap _stats;
    private readonly BpfMap _config;
    private readonly BpfMap _allowed;

    public OverlayRig(UnderlayNamespace underlay, Node? self = null)
        : this(underlay, self ?? Nodes.One, BpfCompiler.Overlay, "overlay", "overlay_out")
    {
    }

    protected OverlayRig(UnderlayNamespace underlay, Node self, byte[] image, string name, string egress, string ingress = "underlay_in")
    {
        _underlay = underlay;
        _interface = self == Nodes.One ? underlay.UnderlayIndex : underlay.FarIndex;
        Loaded = BpfObject.Open(image, name);
        Loaded.Load();
        _egress = Loaded.Program(egress);
        Ingress = Loaded.Program(ingress);
        _subnets = Loaded.Map("subnets");
        _slots = Loaded.Map("subnet_slots");
        _vteps = Loaded.Map("vteps");
        _stats = Loaded.Map("lane_stats");
        _config = Loaded.Map("config");
        _allowed = Loaded.Map("guard_allow");
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
            TunnelIn = OverlayTunnelIn.Bpf,
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

    protected BpfObject Loaded { get; }

    public void Configure(Func<ConfigValue, ConfigValue> change)
    {
        Config = change(Config);
        _config.Update(0u, Config);
    }

    public void SetSubnet(Node node, OverlayTransport transport) => _subnets.Update(SubnetKey.From(node.Subnet), Value(node, transport));

    public void RemoveSubnet(Node node) => Assert.True(_subnets.Delete(SubnetKey.From(node.Subnet)));

    /// <summary>A slot says that it is a node's.</summary>
    public void SetSlot(uint slot, Node node, OverlayTransport transport) => _slots.Update(slot, Value(node, transport));

    public void AddVtep(IPAddress address) => Assert.True(_vteps.TryAdd(VtepKey.From(address), default(VtepValue)));

    public void Allow(string network) => _allowed.Update(SubnetKey.From(IPNetwork.Parse(network)), default(AllowValue));

    public void RemoveVtep(Node node) => Assert.True(_vteps.Delete(VtepKey.From(node.Underlay)));

    private static SubnetValue Value(Node node, OverlayTransport transport) =>
        new() { Vtep = OverlayAddress.From(node.Underlay), VtepMac = OverlayMac.From(node.OverlayMac), Transport = transport };

    /// <summary>The next refusal is shown, also if it comes in the same jiffy as the last one.</summary>
    public void ForgetLastRefusal()
    {
        using var map = Loaded.Map("refusal_turn");
        map.Update(new byte[sizeof(uint)], new byte[map.EntrySize]);
    }

    /// <summary>Reads what the guard shows of what it refuses.</summary>
    public BpfRingBuffer<RefusalSample> Refusals()
    {
        using var map = Loaded.Map("refusals");
        return new(map);
    }

    /// <summary>Runs TC egress of flannel.VNI. The packet type does not matter there; the interface only gives the namespace.</summary>
    public virtual BpfTestRun Out(byte[] frame, int gsoSize = 0) => Run(_egress, frame, gsoSize, _interface);

    /// <summary>Runs TC ingress of the node's underlay interface.</summary>
    public BpfTestRun In(byte[] frame, int gsoSize = 0) => Run(Ingress, frame, gsoSize, _interface);

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
                        found.Add($"{LaneNames[lane]} {LaneCounters.Names[i]}={sum.Values[i]}");
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

    public virtual void Dispose()
    {
        foreach (var one in (IDisposable[])[_egress, Ingress, _subnets, _slots, _vteps, _stats, _config, _allowed, Loaded])
            one.Dispose();
        GC.SuppressFinalize(this);
    }

    protected BpfTestRun RunOut(byte[] frame, int gsoSize, int interfaceIndex) => Run(_egress, frame, gsoSize, interfaceIndex);

    private BpfTestRun Run(BpfProgram program, byte[] frame, int gsoSize, int interfaceIndex)
    {
        var context = new BpfTestContext { InterfaceIndex = interfaceIndex, GsoSize = gsoSize };
        return _underlay.Invoke(() => program.Run(frame, context));
    }
}
