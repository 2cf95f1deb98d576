using Accelerated.Agent.Datapath;

namespace Accelerated.Agent.Tests.Datapath;

public sealed class AcceptMarkTests
{
    [Theory]
    [InlineData(0xffff0000, true)]
    [InlineData(0x000000f0, true)]
    [InlineData(0xffffffff, true)]
    [InlineData(0x00000007, false)]
    [InlineData(0xf0f00000, false)]
    [InlineData(0u, false)]
    public void Mask_OfOneRunOfFourBits_IsUsable(uint mask, bool usable) => Assert.Equal(usable, AcceptMark.IsUsable(mask));

    [Theory]
    [InlineData(0xf0u)]
    [InlineData(0xffu)]
    [InlineData(0xffff0000u)]
    [InlineData(0xffffffffu)]
    public void Generations_OfAMask_AreAllDifferentAndNeverZero(uint mask)
    {
        var seen = new HashSet<uint>();
        var generation = 0u;
        for (var i = 0; i < 70_000; i++)
        {
            generation = AcceptMark.Next(mask, generation);
            var mark = new AcceptMark(mask, generation, "flannel.1", []);
            Assert.NotEqual(0u, mark.GenerationValue);
            Assert.Equal(0u, mark.GenerationValue & ~mark.GenerationMask);
            Assert.Equal(generation, AcceptMark.GenerationOf(mask, mark.GenerationValue | mark.ReplyBit));
            if (!seen.Add(mark.GenerationValue))
                break;
        }

        var bits = System.Numerics.BitOperations.PopCount(mask) - 2;
        Assert.Equal(Math.Min((1L << bits) - 1, 70_000), seen.Count);
    }

    [Fact]
    public void Directions_HaveBitsOfTheirOwnInsideTheMask()
    {
        var mark = new AcceptMark(0xff00, 1, "flannel.1", []);
        Assert.Equal((0x100u, 0x200u, 0xfc00u, 0x400u), (mark.OriginalBit, mark.ReplyBit, mark.GenerationMask, mark.GenerationValue));
    }
}
