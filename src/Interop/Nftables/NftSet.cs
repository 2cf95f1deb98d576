using Accelerated.Interop.Netfilter;

namespace Accelerated.Interop.Nftables;

/// <summary>A set or map as the kernel stores it: keys as bytes, which only the rule that looks them up gives a meaning.</summary>
internal sealed class NftSet(string name, uint flags, int keyLength)
{
    private readonly List<(byte[] Low, byte[] High, RuleVerdict Verdict)> _ranges = [];
    private readonly List<(byte[] Key, bool IsEnd, RuleVerdict Verdict)> _boundaries = [];
    private RuleVerdict? _catchAll;

    internal string Name => name;

    internal int KeyLength => keyLength;

    internal bool IsAnonymous => (flags & Nft.NFT_SET_ANONYMOUS) != 0;

    /// <summary>Elements time out, or rules add them.</summary>
    internal bool ChangesByItself => (flags & (Nft.NFT_SET_TIMEOUT | Nft.NFT_SET_EVAL)) != 0;

    internal void Add(byte[] key, byte[]? keyEnd, uint elementFlags, RuleVerdict verdict)
    {
        if ((elementFlags & Nft.NFT_SET_ELEM_CATCHALL) != 0)
            _catchAll = verdict;
        else if (keyEnd is not null || (flags & Nft.NFT_SET_INTERVAL) == 0)
            _ranges.Add((key, keyEnd ?? key, verdict));
        else
            _boundaries.Add((key, (elementFlags & Nft.NFT_SET_ELEM_INTERVAL_END) != 0, verdict));
    }

    /// <summary>All elements as ranges of bytes, both ends included. The one for everything else has null ends.</summary>
    internal IEnumerable<(byte[]? Low, byte[]? High, RuleVerdict Verdict)> Elements()
    {
        foreach (var (low, high, verdict) in _ranges)
            yield return (low, high, verdict);

        // Intervals are stored as two entries each, the end being the first value beyond.
        (byte[] Key, RuleVerdict Verdict)? open = null;
        foreach (var (key, isEnd, verdict) in _boundaries.OrderBy(b => b.Key, ByteOrder).ThenBy(b => !b.IsEnd))
        {
            if (open is { } start)
                yield return (start.Key, OneLess(key), start.Verdict);
            open = isEnd ? null : (key, verdict);
        }

        if (open is { } last)
            yield return (last.Key, Enumerable.Repeat((byte)0xff, last.Key.Length).ToArray(), last.Verdict);
        if (_catchAll is { } other)
            yield return (null, null, other);
    }

    private static readonly Comparer<byte[]> ByteOrder = Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));

    private static byte[] OneLess(byte[] key)
    {
        var result = (byte[])key.Clone();
        for (var i = result.Length - 1; i >= 0 && result[i]-- == 0; i--)
        {
            // Borrow from the next higher byte.
        }

        return result;
    }
}
