namespace Accelerated.Agent.Datapath;

/// <summary>What a counter of nftables has seen.</summary>
/// <param name="Packets">Packets.</param>
/// <param name="Bytes">Bytes, from the outer IP header on.</param>
public readonly record struct PacketCount(ulong Packets, ulong Bytes);
