using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

public class EtcdMessagesTests
{
    [Theory]
    [InlineData("", "00")]
    [InlineData("61", "62")]
    [InlineData("6162", "6163")]
    [InlineData("61FF", "62")]
    [InlineData("61FFFF", "62")]
    [InlineData("61FF62", "61FF63")]
    [InlineData("00", "01")]
    [InlineData("FE", "FF")]
    [InlineData("FF", "00")]
    [InlineData("FFFF", "00")]
    public void RangeEnd_OfAPrefix_IsTheFirstKeyAfterIt(string prefix, string end) =>
        Assert.Equal(Convert.FromHexString(end), EtcdMessages.RangeEnd(Convert.FromHexString(prefix)));

    [Fact]
    public void Prefix_Empty_IsTheWholeStore()
    {
        var (key, end) = EtcdMessages.Prefix("");
        Assert.Equal([0], key.ToByteArray());
        Assert.Equal([0], end.ToByteArray());
    }
}
