using System.Text.Json.Serialization;

namespace Accelerated.Bench.Receive;

/// <summary>One measurement.</summary>
/// <param name="Round">Counted from 1.</param>
/// <param name="Arm">Its <see cref="ReceiveArm.Name"/>.</param>
/// <param name="IsFlood">Whether it is about a flow beside a flood; else about packets of one kind.</param>
/// <param name="LegitimateStep">Of the <see cref="ReceiveStep"/>.</param>
/// <param name="ForgedStep">Of the <see cref="ReceiveStep"/>.</param>
/// <param name="Seconds">How long was sent.</param>
/// <param name="SentLegitimate">Packets of the peer that were sent.</param>
/// <param name="SentForged">Packets of nobody that were.</param>
/// <param name="Flow">Packets of the peer that reached the container.</param>
/// <param name="Forged">Packets of nobody that did.</param>
/// <param name="Refused">Packets that the bare XDP_DROP dropped.</param>
/// <param name="ThreadNanoseconds">CPU time of the receiving thread.</param>
internal sealed record ReceiveSample(
    int Round, string Arm, bool IsFlood, int LegitimateStep, int? ForgedStep, double Seconds, ulong SentLegitimate, ulong SentForged, ulong Flow, ulong Forged, ulong Refused,
    long ThreadNanoseconds)
{
    /// <summary>Frames in a second, as they were sent.</summary>
    public double Rate => (SentLegitimate + SentForged) / Seconds;

    /// <summary>What the receiver was to do was done with so many: delivered, or dropped where that is all that it does.</summary>
    [JsonIgnore]
    public ulong Delivered => SentLegitimate > 0 ? Flow : Refused;

    /// <summary>Share of the peer's packets that reached the container.</summary>
    [JsonIgnore]
    public double Kept => (double)Flow / SentLegitimate;

    /// <summary>Share of packets that were done with.</summary>
    [JsonIgnore]
    public double Done => (double)Delivered / (SentLegitimate > 0 ? SentLegitimate : SentForged);
}
