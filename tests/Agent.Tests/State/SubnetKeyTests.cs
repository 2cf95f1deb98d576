using System.Net;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

public sealed class SubnetKeyTests
{
    public static TheoryData<string, string> Recorded
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var network in Fixtures.Networks)
            {
                foreach (var (name, _) in Fixtures.Leases(network))
                    data.Add(network, name);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Recorded))]
    public void TryParse_OfAKeyThatFlannelWrote_GivesTheSameTextBack(string network, string name)
    {
        Assert.True(SubnetKey.TryParse(name, out var key), network);
        Assert.Equal(name, key.ToString());
    }

    [Theory]
    [InlineData("10.5.1.0-24", "10.5.1.0/24", null)]
    [InlineData("0.0.0.0-0", "0.0.0.0/0", null)]
    [InlineData("10.5.1.2-31", "10.5.1.2/31", null)]
    [InlineData("10.5.1.0-24&fd00:42:0:3d::-64", "10.5.1.0/24", "fd00:42:0:3d::/64")]
    [InlineData("0.0.0.0-0&fd00:42:0:3d::-64", "0.0.0.0/0", "fd00:42:0:3d::/64")] // IPv6 alone, as flannel writes it.
    [InlineData("10.5.1.0-24&fd00::2-127", "10.5.1.0/24", "fd00::2/127")]
    public void TryParse_OfAGoodKey_FindsBothSubnets(string name, string v4, string? v6)
    {
        Assert.True(SubnetKey.TryParse(name, out var key));
        Assert.Equal(IPNetwork.Parse(v4), key.IPv4);
        Assert.Equal(v6 is null ? null : IPNetwork.Parse(v6), key.IPv6);
        Assert.Equal(name, key.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("10.5.1.0")]
    [InlineData("10.5.1.0-")]
    [InlineData("10.5.1.0/24")]
    [InlineData("10.5.1.0-32")]
    [InlineData("10.5.1.0-33")]
    [InlineData("10.5.1.0-999")]
    [InlineData("10.5.1.0-4294967320")]
    [InlineData("10.5.1.1-24")] // Host bits.
    [InlineData("10.5.256.0-24")]
    [InlineData("10.5.1-24")]
    [InlineData("10.5.1.0.0-24")]
    [InlineData("010.5.1.0-24")] // To inet_aton this is 8.5.1.0.
    [InlineData("10.5.01.0-24")]
    [InlineData("10.5.1.0-024")] // Another name for a subnet would be a second key for it.
    [InlineData("10.5.1.0--24")]
    [InlineData("10.5.1.0-+24")]
    [InlineData(" 10.5.1.0-24")]
    [InlineData("10.5.1.0-24 ")]
    [InlineData("10.5.1.0-24\n")]
    [InlineData("10.5.1.0-24/x")]
    [InlineData("x/10.5.1.0-24")]
    [InlineData("१०.5.1.0-24")]
    [InlineData("10.5.1.0-24&")]
    [InlineData("10.5.1.0-24&fd00::")]
    [InlineData("10.5.1.0-24&fd00::-128")]
    [InlineData("10.5.1.0-24&fd00::1-64")]
    [InlineData("10.5.1.0-24&FD00::-64")]
    [InlineData("10.5.1.0-24&fd00:0:0:0:0:0:0:0-64")]
    [InlineData("10.5.1.0-24&0fd0::-64")]
    [InlineData("10.5.1.0-24&:::-64")]
    [InlineData("10.5.1.0-24&10.6.0.0-24")]
    [InlineData("10.5.1.0-24&fd00::-64&fd01::-64")]
    [InlineData("fd00::-64")]
    public void TryParse_OfAnythingElse_Refuses(string name)
    {
        Assert.False(SubnetKey.TryParse(name, out var key));
        Assert.Null(key);
    }

    [Fact]
    public void TryParse_OfItsOwnText_GivesAnEqualKey() => Rounds.Run(5_000, random =>
    {
        var bytes = new byte[16];
        random.NextBytes(bytes);
        var key = new SubnetKey(
            IPMath.Mask(new IPAddress(bytes[..4]), random.Next(32)),
            random.Percent(50) ? IPMath.Mask(new IPAddress(bytes), random.Next(128)) : null);

        Assert.True(SubnetKey.TryParse(key.ToString(), out var again), key.ToString());
        Assert.Equal(key, again);
    });

    [Fact]
    public void TryParse_OfMutilatedKeys_OnlyTakesWhatItWouldWrite() => Rounds.Run(20_000, random =>
    {
        var text = "10.5.1.0-24&fd00:42:0:3d::-64".ToCharArray();
        for (var changes = random.Next(1, 5); changes > 0; changes--)
            text[random.Next(text.Length)] = random.Pick<char>([.. "0123456789abcdefxA.:-&/ %[]"]);
        var name = new string(text, 0, random.Next(5, text.Length + 1));

        if (SubnetKey.TryParse(name, out var key))
            Assert.Equal(name, key.ToString());
    });
}
