using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>
/// Value of the lane_stats map, one for each CPU, by <see cref="OverlayLane"/>: what a lane did and why not (struct lane_counters of
/// bpf/types.h). Passed on: to the next slower lane, unmodified.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 288)]
public struct LaneCounters
{
    /// <summary>Packets the lane carried.</summary>
    [FieldOffset(0)]
    public ulong Taken;

    /// <summary>Passed on: the packet is not IPv4.</summary>
    [FieldOffset(8)]
    public ulong PassedNotIpv4;

    /// <summary>Passed on: shorter than its headers say, or longer than they can say.</summary>
    [FieldOffset(16)]
    public ulong PassedTruncated;

    /// <summary>Passed on: IP options.</summary>
    [FieldOffset(24)]
    public ulong PassedIpOptions;

    /// <summary>Passed on: a fragment of an outer packet.</summary>
    [FieldOffset(32)]
    public ulong PassedFragment;

    /// <summary>Passed on: the destination is in no known subnet.</summary>
    [FieldOffset(40)]
    public ulong PassedNoSubnet;

    /// <summary>Passed on: the subnet is not reached by VXLAN.</summary>
    [FieldOffset(48)]
    public ulong PassedOtherTransport;

    /// <summary>Passed on: no route or no resolved neighbour towards the node.</summary>
    [FieldOffset(56)]
    public ulong PassedNoNextHop;

    /// <summary>Passed on: larger than the path takes; the kernel answers with ICMP.</summary>
    [FieldOffset(64)]
    public ulong PassedTooBig;

    /// <summary>Passed on: the route to the node leaves by another interface.</summary>
    [FieldOffset(72)]
    public ulong PassedOtherInterface;

    /// <summary>Passed on: an aggregate of several tunnel packets.</summary>
    [FieldOffset(80)]
    public ulong PassedGso;

    /// <summary>Passed on: a VLAN tag beside the packet.</summary>
    [FieldOffset(88)]
    public ulong PassedVlan;

    /// <summary>Passed on: not our port.</summary>
    [FieldOffset(96)]
    public ulong PassedOtherPort;

    /// <summary>Passed on: our port, but another VNI or unknown flags.</summary>
    [FieldOffset(104)]
    public ulong PassedOtherVni;

    /// <summary>Passed on: not to our VTEP address.</summary>
    [FieldOffset(112)]
    public ulong PassedOtherAddress;

    /// <summary>Passed on: a congestion mark to be merged into the inner header.</summary>
    [FieldOffset(120)]
    public ulong PassedEcn;

    /// <summary>Passed on: the lane is switched off.</summary>
    [FieldOffset(128)]
    public ulong PassedSwitchedOff;

    /// <summary>Passed on: the kernel could not change the packet.</summary>
    [FieldOffset(136)]
    public ulong PassedHelperFailed;

    /// <summary>Refused, or would have been: the sender is no node we know.</summary>
    [FieldOffset(144)]
    public ulong RefusedUnknownVtep;

    /// <summary>Refused, or would have been: the inner source is in the subnet of another node.</summary>
    [FieldOffset(152)]
    public ulong RefusedForgedSource;

    /// <summary>Refused, or would have been: a VLAN tag in the inner frame.</summary>
    [FieldOffset(160)]
    public ulong RefusedInnerVlan;

    /// <summary>Passed on: neither TCP nor UDP.</summary>
    [FieldOffset(168)]
    public ulong PassedNotTcpUdp;

    /// <summary>Passed on: the time to live ends here; the kernel answers with ICMP.</summary>
    [FieldOffset(176)]
    public ulong PassedTtl;

    /// <summary>Passed on: no container of this host has the destination.</summary>
    [FieldOffset(184)]
    public ulong PassedNoEndpoint;

    /// <summary>Passed on: the frame is not addressed to the bridge or host that would route it.</summary>
    [FieldOffset(192)]
    public ulong PassedNotRouted;

    /// <summary>Passed on: the source is not that of the container, or of the node, it comes from.</summary>
    [FieldOffset(200)]
    public ulong PassedForeignSource;

    /// <summary>Passed on: an aggregate for a container that passes packets on.</summary>
    [FieldOffset(208)]
    public ulong PassedForwarder;

    /// <summary>Passed on: its turn to go the long way, so that bridge and neighbour table know the container is there.</summary>
    [FieldOffset(216)]
    public ulong PassedRefresh;

    /// <summary>Passed on: conntrack does not know the flow.</summary>
    [FieldOffset(224)]
    public ulong PassedNoConnection;

    /// <summary>Passed on: netfilter has not accepted the flow in this direction since rules or routes changed.</summary>
    [FieldOffset(232)]
    public ulong PassedNotAccepted;

    /// <summary>Passed on: addresses of the flow are translated.</summary>
    [FieldOffset(240)]
    public ulong PassedTranslated;

    /// <summary>Passed on: the connection is beginning or ending, or has something conntrack must see.</summary>
    [FieldOffset(248)]
    public ulong PassedNotEstablished;

    /// <summary>Passed on: conntrack would forget the flow if it did not see a packet.</summary>
    [FieldOffset(256)]
    public ulong PassedExpiring;

    /// <summary>Refused: the first fragment of an outer packet.</summary>
    [FieldOffset(264)]
    public ulong RefusedFragment;

    /// <summary>Passed on: a piece of a TCP stream, which the driver's GRO may make one of with others.</summary>
    [FieldOffset(272)]
    public ulong PassedStream;

    /// <summary>Passed on: a tunnel of the container's own has left something for the NIC to do, and the kernel offloads one tunnel only.</summary>
    [FieldOffset(280)]
    public ulong PassedInTunnel;

    private static readonly string[] AllNames =
    [
        "taken",
        "passed_not_ipv4",
        "passed_truncated",
        "passed_ip_options",
        "passed_fragment",
        "passed_no_subnet",
        "passed_other_transport",
        "passed_no_next_hop",
        "passed_too_big",
        "passed_other_interface",
        "passed_gso",
        "passed_vlan",
        "passed_other_port",
        "passed_other_vni",
        "passed_other_address",
        "passed_ecn",
        "passed_switched_off",
        "passed_helper_failed",
        "refused_unknown_vtep",
        "refused_forged_source",
        "refused_inner_vlan",
        "passed_not_tcp_udp",
        "passed_ttl",
        "passed_no_endpoint",
        "passed_not_routed",
        "passed_foreign_source",
        "passed_forwarder",
        "passed_refresh",
        "passed_no_connection",
        "passed_not_accepted",
        "passed_translated",
        "passed_not_established",
        "passed_expiring",
        "refused_fragment",
        "passed_stream",
        "passed_in_tunnel",
    ];

    /// <summary>The counters' names, in the order of the structure.</summary>
    public static IReadOnlyList<string> Names => AllNames;

    /// <summary>All counters, in the order of <see cref="Names"/>.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<ulong> Values =>
        MemoryMarshal.CreateReadOnlySpan(in Unsafe.As<LaneCounters, ulong>(ref Unsafe.AsRef(in this)), AllNames.Length);

    /// <summary>All CPUs together.</summary>
    public static LaneCounters Sum(ReadOnlySpan<LaneCounters> perCpu)
    {
        var sum = default(LaneCounters);
        var total = MemoryMarshal.CreateSpan(ref Unsafe.As<LaneCounters, ulong>(ref sum), AllNames.Length);
        foreach (ref readonly var one in perCpu)
        {
            var values = one.Values;
            for (var i = 0; i < values.Length; i++)
                total[i] += values[i];
        }

        return sum;
    }
}
