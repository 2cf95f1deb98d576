namespace Accelerated.Agent.Datapath;

/// <summary>What the eBPF lanes carried to and from a node. Bytes are those of inner Ethernet frames.</summary>
/// <param name="PacketsOut">Packets to it; an aggregate (GSO) counts once.</param>
/// <param name="BytesOut">Bytes to it.</param>
/// <param name="PacketsIn">Packets from it.</param>
/// <param name="BytesIn">Bytes from it.</param>
public sealed record PeerTraffic(ulong PacketsOut, ulong BytesOut, ulong PacketsIn, ulong BytesIn);
