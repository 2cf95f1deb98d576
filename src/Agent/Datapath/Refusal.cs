namespace Accelerated.Agent.Datapath;

/// <summary>A packet that the guard of the eBPF lanes refused; a sample of them.</summary>
/// <param name="Number">Counts up, from 1, while the agent runs.</param>
/// <param name="At">When, to the microsecond.</param>
/// <param name="Reason">As the counters of <c>status</c> name it: <c>unknown_vtep</c>, <c>forged_source</c>, <c>inner_vlan</c> or <c>fragment</c>.</param>
/// <param name="Dropped">False where the guard only observes: then the packet went on.</param>
/// <param name="Sender">The underlay address it came from.</param>
/// <param name="Interface">The interface it came in by.</param>
/// <param name="Protocol">What was inside: <c>tcp</c>, <c>udp</c>, <c>icmp</c>, <c>ip protocol N</c>, or the ethertype.</param>
/// <param name="Source">The inner source; null if there was no IPv4 packet inside.</param>
/// <param name="Destination">The inner destination; null if there was no IPv4 packet inside.</param>
/// <param name="Length">Bytes of the outer frame.</param>
public sealed record Refusal(
    long Number, DateTimeOffset At, string Reason, bool Dropped, string Sender, string Interface, string Protocol, string? Source, string? Destination,
    uint Length);
