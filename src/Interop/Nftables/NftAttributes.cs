using System.Text;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Nftables;

/// <summary>The attributes of one expression, by number. What is missing is zero or empty.</summary>
internal readonly ref struct NftAttributes(NetlinkAttribute data)
{
    private readonly NetlinkAttribute _data = data;

    internal bool Has(ushort type) => TryFind(type, out _);

    internal uint U32(ushort type) => TryFind(type, out var attribute) ? attribute.U32BigEndian() : 0;

    internal string Text(ushort type) => TryFind(type, out var attribute) ? attribute.Text() : "";

    internal ReadOnlySpan<byte> Bytes(ushort type) => TryFind(type, out var attribute) ? attribute.Value : [];

    /// <summary>The bytes of a value (NFTA_DATA_VALUE).</summary>
    internal ReadOnlySpan<byte> Value(ushort type) => TryFind(type, out var attribute) ? Value(attribute) : [];

    /// <summary>A verdict (NFTA_DATA_VERDICT).</summary>
    internal RuleVerdict Verdict(ushort type) => TryFind(type, out var attribute) ? Verdict(attribute) : default;

    /// <summary>The comment among what a program keeps beside a rule (NFTA_RULE_USERDATA); null for none.</summary>
    internal static string? Comment(ReadOnlySpan<byte> userData)
    {
        // struct nftnl_udata: a byte each for type and length, then the value; no alignment.
        for (; userData.Length >= 2 && userData.Length >= 2 + userData[1]; userData = userData[(2 + userData[1])..])
        {
            if (userData[0] == Nft.NFTNL_UDATA_RULE_COMMENT)
                return Encoding.UTF8.GetString(userData.Slice(2, userData[1]).TrimEnd((byte)0));
        }

        return null;
    }

    internal static ReadOnlySpan<byte> Value(NetlinkAttribute data) =>
        new NftAttributes(data).TryFind(Nft.NFTA_DATA_VALUE, out var value) ? value.Value : [];

    internal static RuleVerdict Verdict(NetlinkAttribute data)
    {
        if (!new NftAttributes(data).TryFind(Nft.NFTA_DATA_VERDICT, out var verdict))
            return default;
        var parts = new NftAttributes(verdict);
        var chain = parts.Has(Nft.NFTA_VERDICT_CHAIN) ? parts.Text(Nft.NFTA_VERDICT_CHAIN) : null;
        return (int)parts.U32(Nft.NFTA_VERDICT_CODE) switch
        {
            Nft.NF_DROP => new(VerdictKind.Drop),
            Nft.NF_ACCEPT => new(VerdictKind.Accept),
            Nft.NFT_CONTINUE or Nft.NFT_BREAK => new(VerdictKind.Continue),
            Nft.NFT_JUMP => new(VerdictKind.Jump, chain),
            Nft.NFT_GOTO => new(VerdictKind.Goto, chain),
            Nft.NFT_RETURN => new(VerdictKind.Return),
            _ => new(VerdictKind.Queue), // NF_QUEUE, with the number of the queue in the upper half.
        };
    }

    private bool TryFind(ushort type, out NetlinkAttribute found)
    {
        var attributes = _data.Nested();
        while (attributes.TryRead(out found))
        {
            if (found.Type == type)
                return true;
        }

        return false;
    }
}
