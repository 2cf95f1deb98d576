using System.Collections.Immutable;
using System.Numerics;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// The mark that proves to lane 2 that netfilter has accepted a flow: bits of its conntrack mark, set by the last chain of our table.
/// The lowest bit of the mask is for the original direction, the next for the reply, the others are the generation.
/// </summary>
/// <param name="Mask">The bits that are ours, <c>--shortcut-mark</c>.</param>
/// <param name="Generation">Of the rules and routes that the flow was accepted by; never 0.</param>
/// <param name="Device">The vxlan device.</param>
/// <param name="Gateways">The interfaces that route for containers.</param>
public sealed record AcceptMark(uint Mask, uint Generation, string Device, ImmutableSortedSet<string> Gateways)
{
    /// <summary>Two directions and at least four generations.</summary>
    public const int FewestBits = 4;

    private int Shift => BitOperations.TrailingZeroCount(Mask);

    /// <summary>The bit of the original direction.</summary>
    public uint OriginalBit => 1u << Shift;

    /// <summary>The bit of the reply.</summary>
    public uint ReplyBit => 2u << Shift;

    /// <summary>The generation's bits.</summary>
    public uint GenerationMask => Mask & ~(OriginalBit | ReplyBit);

    /// <summary>The generation in its place.</summary>
    public uint GenerationValue => Generation << (Shift + 2) & GenerationMask;

    /// <summary>Whether a mask can be used: one run of enough bits.</summary>
    public static bool IsUsable(uint mask) =>
        BitOperations.PopCount(mask) >= FewestBits && BitOperations.PopCount(mask) + BitOperations.TrailingZeroCount(mask) + BitOperations.LeadingZeroCount(mask) == 32;

    /// <summary>The generation after this one; after the last comes 1.</summary>
    public static uint Next(uint mask, uint generation)
    {
        var last = (1u << (BitOperations.PopCount(mask) - 2)) - 1;
        return generation >= last ? 1 : generation + 1;
    }

    /// <summary>The generation a mark carries.</summary>
    public static uint GenerationOf(uint mask, uint mark) => (mark & mask) >> (BitOperations.TrailingZeroCount(mask) + 2);

    /// <summary>Equal gateways are equal marks, whichever set holds them.</summary>
    public bool Equals(AcceptMark? other) =>
        other is not null && (Mask, Generation, Device) == (other.Mask, other.Generation, other.Device) && Gateways.SetEquals(other.Gateways);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mask, Generation, Device, Gateways.Count);
}
