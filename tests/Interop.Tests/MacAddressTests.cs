namespace Accelerated.Interop.Tests;

public sealed class MacAddressTests
{
    [Theory]
    [InlineData("6e:0b:24:f3:bc:5a", "6e:0b:24:f3:bc:5a")]
    [InlineData("6E:0B:24:F3:BC:5A", "6e:0b:24:f3:bc:5a")]
    [InlineData("ff:FF:ff:FF:ff:FF", "ff:ff:ff:ff:ff:ff")]
    [InlineData("00:00:00:00:00:00", "00:00:00:00:00:00")]
    public void Parse_ColonForm_PrintsLowerCase(string text, string printed)
    {
        var address = MacAddress.Parse(text);

        Assert.Equal(printed, address.ToString());
        Assert.Equal(address, MacAddress.FromBytes(Convert.FromHexString(printed.Replace(":", "", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("6e:0b:24:f3:bc")]
    [InlineData("6e:0b:24:f3:bc:5a:77")]
    [InlineData("6e:0b:24:f3:bc:5")]
    [InlineData("6e:b:24:f3:bc:5a:")]
    [InlineData("6e-0b-24-f3-bc-5a")]
    [InlineData("6e0b.24f3.bc5a")]
    [InlineData("6e:0b:24:f3:bc:5g")]
    [InlineData("6e:0b:24:f3:bc: a")]
    [InlineData("6e:0b:24:f3:bc:+a")]
    [InlineData(" 6e:0b:24:f3:bc:5")]
    [InlineData("6e:0b:24:f3:bc;5a")]
    public void TryParse_AnythingElse_IsRefused(string? text)
    {
        Assert.False(MacAddress.TryParse(text, out var address));
        Assert.True(address.IsZero);
        Assert.Throws<FormatException>(() => MacAddress.Parse(text));
    }

    [Fact]
    public void CopyTo_Bytes_AreInWireOrder()
    {
        var bytes = new byte[8];

        MacAddress.Parse("01:02:03:04:05:06").CopyTo(bytes);

        Assert.Equal([1, 2, 3, 4, 5, 6, 0, 0], bytes);
        Assert.Throws<ArgumentException>(() => MacAddress.Parse("01:02:03:04:05:06").CopyTo(new byte[5]));
        Assert.Throws<ArgumentException>(() => MacAddress.FromBytes(new byte[5]));
        Assert.Throws<ArgumentException>(() => MacAddress.FromBytes(new byte[7]));
    }

    [Theory]
    [InlineData("02:00:00:00:00:01", true, true)]
    [InlineData("00:1b:21:00:00:01", true, false)]
    [InlineData("01:00:5e:00:00:01", false, false)]
    [InlineData("33:33:00:00:00:01", false, true)]
    [InlineData("fc:ff:ff:ff:ff:ff", true, false)]
    public void Bits_OfTheFirstByte_AreTold(string text, bool unicast, bool local)
    {
        var address = MacAddress.Parse(text);

        Assert.Equal((unicast, local, false), (address.IsUnicast, address.IsLocallyAdministered, address.IsZero));
    }
}
