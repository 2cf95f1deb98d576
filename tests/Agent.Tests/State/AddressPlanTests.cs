using System.Net;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

public sealed class AddressPlanTests
{
    private static readonly AddressPlan V4 = Plan("10.3.0.0/16", "10.3.16.0", "10.3.32.0", 24);
    private static readonly AddressPlan V6 = Plan("fc00::/48", "fc00:0:0:1::", "fc00:0:0:ffff::", 64);

    [Theory]
    [InlineData("10.3.0.0/16", "10.3.1.0", "10.3.255.0", 24)]
    [InlineData("fc00::/48", "fc00:0:0:1::", "fc00:0:0:ffff::", 64)]
    [InlineData("255.255.255.240/28", "255.255.255.244", "255.255.255.252", 30)]
    [InlineData("ffff:ffff:ffff::/48", "ffff:ffff:ffff:1::", "ffff:ffff:ffff:ffff::", 64)]
    public void TryCreate_WithTheNetworkAlone_BeginsAtTheSecondSubnet(string network, string min, string max, int length)
    {
        var keys = network.Contains(':', StringComparison.Ordinal) ? FamilyKeys.IPv6 : FamilyKeys.IPv4;

        Assert.True(AddressPlan.TryCreate(keys, IPNetwork.Parse(network), 0, null, null, out var plan, out var error), error);
        Assert.Equal(Plan(network, min, max, length), plan);
    }

    [Theory]
    [InlineData("10.3.16.0/24", true)]
    [InlineData("10.3.32.0/24", true)]
    [InlineData("10.3.15.0/24", false)]
    [InlineData("10.3.33.0/24", false)]
    [InlineData("10.3.16.0/25", false)]
    [InlineData("10.3.16.0/23", false)]
    [InlineData("10.4.16.0/24", false)]
    [InlineData("fc00:0:0:1::/64", false)]
    public void Fits_InIPv4_WantsLengthAndRange(string subnet, bool expected) => Assert.Equal(expected, V4.Fits(IPNetwork.Parse(subnet)));

    [Theory]
    [InlineData("fc00:0:0:1::/64", true)]
    [InlineData("fc00:0:0:ffff::/64", true)]
    [InlineData("fc00::/64", false)]
    [InlineData("fc00:0:1::/64", false)]
    [InlineData("fc00:0:0:1::/65", false)]
    [InlineData("10.3.16.0/24", false)]
    public void Fits_InIPv6_WantsLengthAndRange(string subnet, bool expected) => Assert.Equal(expected, V6.Fits(IPNetwork.Parse(subnet)));

    [Theory]
    [InlineData("10.3.20.0/24", true)]
    [InlineData("10.3.0.0/16", true)]
    [InlineData("0.0.0.0/0", true)]
    [InlineData("10.3.32.255/32", true)] // The last subnet is in use to its last address.
    [InlineData("10.3.15.255/32", false)]
    [InlineData("10.3.33.0/24", false)]
    [InlineData("192.0.2.0/24", false)]
    [InlineData("::/0", false)]
    public void AllocatesInside_AnyNetwork_LooksAtWhatMayBeHandedOut(string other, bool expected) =>
        Assert.Equal(expected, V4.AllocatesInside(IPNetwork.Parse(other)));

    [Fact]
    public void TryCreate_OfRandomNetworks_GivesAPlanThatHoldsWhatItPromises() => Rounds.Run(5_000, random =>
    {
        var v6 = random.Percent(50);
        var keys = v6 ? FamilyKeys.IPv6 : FamilyKeys.IPv4;
        var bytes = new byte[v6 ? 16 : 4];
        random.NextBytes(bytes);
        var network = IPMath.Mask(new IPAddress(bytes), random.Next(keys.LongestNetwork + 1));
        var length = random.Percent(50) ? 0 : random.Next(network.PrefixLength + 2, keys.LongestSubnet + 1);

        Assert.True(AddressPlan.TryCreate(keys, network, length, null, null, out var plan, out var error), error);
        Assert.True(length == 0 || plan.SubnetLength == length);
        foreach (var end in new[] { plan.SubnetMin, plan.SubnetMax })
        {
            var subnet = new IPNetwork(end, plan.SubnetLength);
            Assert.Equal(end, subnet.BaseAddress); // Else the end is not aligned: .NET clears host bits.
            Assert.True(plan.Fits(subnet), $"{subnet} is an end of {plan}");
            Assert.True(network.Contains(end), $"{end} lies in {network}");
        }

        // Four subnets at least, of which the first is not handed out.
        var size = IPMath.Size(network.BaseAddress.AddressFamily, plan.SubnetLength);
        Assert.True((IPMath.ToNumber(plan.SubnetMax) - IPMath.ToNumber(plan.SubnetMin)) / size >= 2, plan.ToString());
        Assert.Equal(IPMath.ToNumber(network.BaseAddress) + size, IPMath.ToNumber(plan.SubnetMin));
        Assert.Equal(IPMath.Range(network).Last, IPMath.Range(new IPNetwork(plan.SubnetMax, plan.SubnetLength)).Last);
    });

    private static AddressPlan Plan(string network, string min, string max, int length) =>
        new(IPNetwork.Parse(network), IPAddress.Parse(min), IPAddress.Parse(max), length);
}
