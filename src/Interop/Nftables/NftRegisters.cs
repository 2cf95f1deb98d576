using Accelerated.Interop.Netfilter;

namespace Accelerated.Interop.Nftables;

/// <summary>Bytes of one packet field inside a register.</summary>
/// <param name="Field">Which.</param>
/// <param name="FieldLength">Bytes of the whole field.</param>
/// <param name="Offset">The first byte of it that is there.</param>
/// <param name="Length">How many are.</param>
/// <param name="HostOrder">The machine's order of bytes, not the network's.</param>
/// <param name="Mask">Bits that were kept, over the bytes that are there; null for all.</param>
/// <param name="EveryPacket">What it is, if it differs from packet to packet; null otherwise.</param>
internal readonly record struct NftSegment(
    PacketField Field, int FieldLength, int Offset, int Length, bool HostOrder, UInt128? Mask = null, string? EveryPacket = null)
{
    internal FieldKey Key => Offset == 0 && (Mask is null || IsPrefix) ? new(Field) : new(Field, Place(Mask ?? Ones(Length)));

    // A mask like that of a network: what it keeps is a range of values.
    private bool IsPrefix => Mask is { } mask && Offset == 0 && !HostOrder && Field is not (PacketField.TcpFlags or PacketField.Fragment) && (~mask & Ones(Length)) is var rest && (rest & (rest + 1)) == 0;

    /// <summary>The field's values for which these bytes are between two values.</summary>
    internal ValueRange Values(UInt128 low, UInt128 high)
    {
        if (Field == PacketField.Other)
            return ValueRange.Any;
        var below = Place(1) - 1;
        return Offset == 0 && Mask is null ? new(Place(low), Place(high) | below)
            : Key.IsWhole ? new(Place(low), Place(high | (~Mask!.Value & Ones(Length))) | below)
            : new(Place(low), Place(high));
    }

    internal static UInt128 Ones(int bytes) => bytes >= 16 ? UInt128.MaxValue : (UInt128.One << (8 * bytes)) - 1;

    internal UInt128 Number(ReadOnlySpan<byte> bytes)
    {
        UInt128 value = 0;
        for (var i = 0; i < bytes.Length; i++)
            value = value << 8 | bytes[HostOrder && BitConverter.IsLittleEndian ? bytes.Length - 1 - i : i];
        return value;
    }

    private UInt128 Place(UInt128 value) => HostOrder ? value : value << (8 * (FieldLength - Offset - Length));
}

/// <summary>What the registers of nftables' machine hold while a rule is read (linux/netfilter/nf_tables.h, enum nft_registers).</summary>
internal sealed class NftRegisters
{
    private const int WordBytes = 4;

    private readonly Dictionary<int, NftSegment[]> _words = [];

    /// <summary>Something was loaded that nobody here knows.</summary>
    internal void Forget() => _words.Clear();

    internal void Load(uint register, params NftSegment[] segments) => _words[Word(register)] = segments;

    /// <summary>The content of a register; something unknown if nothing was loaded.</summary>
    internal NftSegment[] this[uint register] => _words.TryGetValue(Word(register), out var segments) ? segments : Unknown(16);

    /// <summary>What lies in a register and those behind it, up to a length: a key of several fields.</summary>
    internal List<NftSegment[]> Concatenation(uint register, int length)
    {
        var result = new List<NftSegment[]>();
        for (var (word, left) = (Word(register), length); left > 0;)
        {
            var part = _words.TryGetValue(word, out var segments) ? segments : Unknown(left);
            result.Add(part);
            var words = (part.Sum(s => s.Length) + WordBytes - 1) / WordBytes;
            word += words;
            left -= words * WordBytes;
        }

        return result;
    }

    internal static NftSegment[] Unknown(int length) => [new(PacketField.Other, length, 0, length, HostOrder: false)];

    // The old registers are of 16 bytes each, the new ones of 4, over the same memory.
    private static int Word(uint register) => (int)(register >= Nft.NFT_REG32_00 ? register - Nft.NFT_REG32_00 + 4 : register * 4);

    /// <summary>Takes bytes apart as the content of a register has them: one range of values per segment.</summary>
    /// <returns>The segments that the bytes reach, the last one cut to what is there, and their values.</returns>
    internal static (List<NftSegment> Segments, List<ValueRange> Values) Split(NftSegment[] content, ReadOnlySpan<byte> low, ReadOnlySpan<byte> high)
    {
        var segments = new List<NftSegment>();
        var values = new List<ValueRange>();
        foreach (var whole in content)
        {
            var length = Math.Min(whole.Length, low.Length);
            if (length == 0)
                break;
            var segment = length == whole.Length ? whole : whole with { Length = length, Mask = null, FieldLength = whole.HostOrder ? length : whole.FieldLength };
            segments.Add(segment);
            values.Add(segment.Values(segment.Number(low[..length]), segment.Number(high[..length])));
            low = low[length..];
            high = high[length..];
        }

        return (segments, values);
    }
}
