using System.Net;

namespace Accelerated.Agent.Datapath;

/// <summary>What the datapath did so far, as its own counters say.</summary>
/// <param name="Lanes">The eBPF lanes; empty when there are none.</param>
/// <param name="Peers">What the lanes carried to and from each node, by its underlay address; empty when there are none.</param>
/// <param name="Containers">The containers of this host that lane 2 knows of, and those it leaves out with the reason.</param>
public sealed record DatapathUsage(
    IReadOnlyList<LaneStatus> Lanes, IReadOnlyDictionary<IPAddress, PeerTraffic> Peers, IReadOnlyList<ContainerStatus> Containers)
{
    /// <summary>Nothing is counted.</summary>
    public static DatapathUsage None { get; } = new([], new Dictionary<IPAddress, PeerTraffic>(), []);
}
