using Accelerated.Agent.Datapath;

namespace Accelerated.Agent.Api;

/// <summary>A line of what <c>accelerated drops --json</c> prints: either of these.</summary>
/// <param name="Refused">A packet that the guard of the eBPF lanes refused; a sample.</param>
/// <param name="Counted">What the guard in nftables refused meanwhile: that one only counts.</param>
public sealed record DropLine(Refusal? Refused, DropLine.Count? Counted)
{
    /// <summary>Packets that nftables refused.</summary>
    /// <param name="At">When they were counted.</param>
    /// <param name="Reason">As <c>status</c> names it.</param>
    /// <param name="Packets">How many since the last count.</param>
    public sealed record Count(DateTimeOffset At, string Reason, ulong Packets);
}
