using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.Interop.Tests;

/// <summary>Expressions that not every kernel has, or that no tool writes; the rest is read back from a real kernel in System.Tests.</summary>
public sealed class NftRuleReaderTests
{
    [Theory]
    [InlineData("flow_offload", "flow add")]
    [InlineData("osf", "osf")]
    [InlineData("tunnel", "tunnel")]
    [InlineData("inner", "inner")]
    [InlineData("connlimit", "ct count")]
    public void Read_Expression_ThatSeesEveryPacket_IsOne(string name, string words) =>
        Assert.Equal([new OpaqueStep(words, StepNature.EveryPacket)], Read(w => Expression(w, name)));

    [Fact]
    public void Read_ExpressionOfTheFuture_IsTakenForOneThatSeesEveryPacket()
    {
        var step = Assert.IsType<OpaqueStep>(Assert.Single(Read(w => Expression(w, "brandnew"))));

        Assert.Equal(StepNature.EveryPacket, step.Nature);
        Assert.StartsWith("brandnew", step.Name, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Queue_IsAVerdict() =>
        Assert.Equal([new VerdictStep(new(VerdictKind.Queue))], Read(w => Expression(w, "queue")));

    [Fact]
    public void Read_LookupOfASetThatIsGone_SeesEveryPacket()
    {
        var step = Assert.IsType<OpaqueStep>(Assert.Single(Read(w => Expression(w, "lookup", d => d.Text(Nft.NFTA_LOOKUP_SET, "gone")))));

        Assert.Equal(StepNature.EveryPacket, step.Nature);
    }

    [Fact]
    public void Read_UnknownLoad_MakesTheRegisterUnknown()
    {
        // meta l4proto => reg 1; rt => reg 1; cmp reg 1 6: no condition on the protocol.
        var steps = Read(w =>
        {
            Expression(w, "meta", d => d.U32BigEndian(Nft.NFTA_META_DREG, 1).U32BigEndian(Nft.NFTA_META_KEY, 16));
            Expression(w, "rt", d => d.U32BigEndian(1, 1));
            Expression(w, "cmp", d => d.U32BigEndian(Nft.NFTA_CMP_SREG, 1).Nested(Nft.NFTA_CMP_DATA, v => v.Bytes(Nft.NFTA_DATA_VALUE, [6])));
        });

        var match = Assert.IsType<MatchStep>(steps[^1]);
        Assert.Equal(PacketField.Other, Assert.Single(match.Keys).Field);
    }

    [Theory]
    [InlineData("flow_offload", true)]
    [InlineData("masq", true)]
    [InlineData("counter", false)]
    public void UsesConntrack_ByExpression_IsSaid(string name, bool uses)
    {
        var reader = new NftRuleReader(FilterFamily.Inet, _ => null);
        var writer = new NetlinkWriter();
        Expression(writer, name);

        reader.Read(new AttributeReader(writer.Written));

        Assert.Equal(uses, reader.UsesConntrack);
    }

    [Fact]
    public void Elements_OfIntervals_AreRangesAndTheLastMayBeOpen()
    {
        var set = new NftSet("s", Nft.NFT_SET_INTERVAL, 2);
        foreach (var (key, end) in ((byte[], uint)[])[([0, 90], 0), ([0, 0], 1), ([0, 80], 1), ([0, 10], 0), ([0, 90], 1), ([0, 80], 0)])
            set.Add(key, null, end, default);

        Assert.Equal(["000a-004f", "0050-0059", "005a-ffff"], set.Elements().Select(e => $"{Convert.ToHexStringLower(e.Low!)}-{Convert.ToHexStringLower(e.High!)}"));
    }

    private static IReadOnlyList<RuleStep> Read(Action<NetlinkWriter> expressions)
    {
        var writer = new NetlinkWriter();
        expressions(writer);
        return new NftRuleReader(FilterFamily.Inet, _ => null).Read(new AttributeReader(writer.Written));
    }

    private static void Expression(NetlinkWriter writer, string name, Action<NetlinkWriter>? data = null) =>
        writer.Nested(Nft.NFTA_LIST_ELEM, e => e.Text(Nft.NFTA_EXPR_NAME, name).Nested(Nft.NFTA_EXPR_DATA, data ?? (_ => { })));
}
