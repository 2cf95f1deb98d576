using System.Net;
using System.Numerics;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

/// <summary>The allocator against a second one, written as plainly as possible.</summary>
public sealed class SubnetAllocatorTests
{
    private const int Considered = 100;

    [Fact]
    public void Choose_WhateverIsTaken_IsOneOfTheFirstHundredFree() => Rounds.Run(3_000, random =>
    {
        var plan = RandomPlan(random);
        var taken = RandomTaken(random, plan);
        var free = FirstFree(plan, taken);

        var chosen = SubnetAllocator.Choose(plan, taken, random);

        if (free.Count == 0)
        {
            Assert.Null(chosen);
            return;
        }

        Assert.True(chosen is not null, $"{free[0]} is free in {plan}");
        Assert.True(free.Contains(chosen.Value), $"{chosen} is not among the first {free.Count} free of {plan}, taken: {string.Join(' ', taken)}");
        Assert.True(plan.Fits(chosen.Value));
        Assert.True(SubnetAllocator.IsFree(chosen.Value, taken));
    });

    [Fact]
    public void Choose_UntilNothingIsLeft_HandsOutEverySubnetOnce() => Rounds.Run(200, random =>
    {
        var plan = RandomPlan(random);
        var taken = RandomTaken(random, plan);
        var expected = AllSubnets(plan).Count(s => !taken.Any(t => Overlap(s, t)));
        var handedOut = new HashSet<IPNetwork>();

        while (SubnetAllocator.Choose(plan, taken.Concat(handedOut), random) is { } subnet)
            Assert.True(handedOut.Add(subnet), $"{subnet} came twice");

        Assert.Equal(expected, handedOut.Count);
        Assert.All(handedOut, s => Assert.True(plan.Fits(s)));
    });

    [Theory]
    [InlineData("10.3.0.0/16", "10.3.1.0", "10.3.255.0", 24)]
    [InlineData("fc00::/48", "fc00:0:0:1::", "fc00:0:0:ffff::", 64)]
    public void Choose_ManyTimes_SpreadsOverExactlyTheFirstHundred(string network, string min, string max, int length)
    {
        var plan = new AddressPlan(IPNetwork.Parse(network), IPAddress.Parse(min), IPAddress.Parse(max), length);
        var first = AllSubnets(plan).Take(Considered).ToHashSet();
        var hits = new Dictionary<IPNetwork, int>();
        for (var i = 0; i < 10_000; i++)
        {
            var chosen = SubnetAllocator.Choose(plan, [], Random.Shared)!.Value;
            hits[chosen] = hits.GetValueOrDefault(chosen) + 1;
        }

        // Evenly, so that nodes that start together seldom collide: 100 expected for each, 16 standard deviations from 260.
        Assert.True(first.SetEquals(hits.Keys), $"{hits.Count} different ones");
        Assert.All(hits.Values, h => Assert.InRange(h, 20, 260));
    }

    [Fact]
    public void Choose_AtTheTopOfTheAddressSpace_DoesNotWrapAround()
    {
        var plan = new AddressPlan(
            IPNetwork.Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124"), IPAddress.Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff4"),
            IPAddress.Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc"), 126);
        var all = AllSubnets(plan).ToList();

        Assert.Equal(3, all.Count);
        for (var i = 0; i < 100; i++)
            Assert.Contains(SubnetAllocator.Choose(plan, [], Random.Shared)!.Value, all);
        Assert.Null(SubnetAllocator.Choose(plan, all, Random.Shared));
        Assert.Null(SubnetAllocator.Choose(plan, [IPNetwork.Parse("::/0")], Random.Shared));
    }

    [Theory]
    [InlineData("10.3.1.0/24", "10.3.2.0/24", true)]
    [InlineData("10.3.1.0/24", "10.3.1.0/24", false)]
    [InlineData("10.3.1.0/24", "10.3.0.0/16", false)]
    [InlineData("10.3.1.0/24", "10.3.1.128/25", false)]
    [InlineData("10.3.1.0/24", "0.0.0.0/0", false)]
    [InlineData("10.3.1.0/24", "::/0", true)]
    [InlineData("fc00::/64", "fc00::/48", false)]
    [InlineData("fc00::/64", "0.0.0.0/0", true)]
    public void IsFree_AgainstOneTaken_IsAboutSharedAddresses(string subnet, string taken, bool expected) =>
        Assert.Equal(expected, SubnetAllocator.IsFree(IPNetwork.Parse(subnet), [IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse(taken)]));

    private static AddressPlan RandomPlan(Random random)
    {
        var v6 = random.Percent(40);
        var keys = v6 ? FamilyKeys.IPv6 : FamilyKeys.IPv4;
        var bytes = new byte[v6 ? 16 : 4];
        if (random.Percent(15))
            Array.Fill(bytes, (byte)0xff);
        else
            random.NextBytes(bytes);
        var network = IPMath.Mask(new IPAddress(bytes), random.Next(8, keys.LongestNetwork + 1));
        var length = random.Next(network.PrefixLength + 2, Math.Min(network.PrefixLength + 9, keys.LongestSubnet) + 1);
        Assert.True(AddressPlan.TryCreate(keys, network, length, null, null, out var plan, out var error), error);
        if (random.Percent(60))
            return plan;
        var all = AllSubnets(plan).ToList();
        var (from, to) = (random.Next(all.Count), random.Next(all.Count));
        return plan with { SubnetMin = all[Math.Min(from, to)].BaseAddress, SubnetMax = all[Math.Max(from, to)].BaseAddress };
    }

    /// <summary>Subnets of every length, most of them in the plan's network, one inside the other, twice, of the other family.</summary>
    private static List<IPNetwork> RandomTaken(Random random, AddressPlan plan)
    {
        var bits = IPMath.Bits(plan.Network.BaseAddress.AddressFamily);
        var (first, last) = IPMath.Range(plan.Network);
        var taken = new List<IPNetwork>();
        for (var count = random.Next(random.Pick([1, 5, 40, 200])); count > 0; count--)
        {
            var inside = first + ((UInt128)random.NextInt64() % (last - first + 1));
            var length = random.Percent(70) ? plan.SubnetLength : Math.Min(bits, plan.SubnetLength - 3 + random.Next(9));
            taken.Add(random.Next(20) switch
            {
                0 => IPMath.Mask(IPMath.ToAddress(inside, plan.Network), random.Next(bits + 1)),
                1 => IPNetwork.Parse(bits == 32 ? "::/0" : "0.0.0.0/0"),
                2 when taken.Count > 0 => random.Pick(taken),
                _ => IPMath.Mask(IPMath.ToAddress(inside, plan.Network), length),
            });
        }

        return taken;
    }

    private static List<IPNetwork> FirstFree(AddressPlan plan, List<IPNetwork> taken) =>
        [.. AllSubnets(plan).Where(s => !taken.Any(t => Overlap(s, t))).Take(Considered)];

    private static IEnumerable<IPNetwork> AllSubnets(AddressPlan plan)
    {
        var size = BigInteger.One << (Bits(plan.Network) - plan.SubnetLength);
        for (var at = Number(plan.SubnetMin); at <= Number(plan.SubnetMax); at += size)
        {
            var bytes = new byte[Bits(plan.Network) / 8];
            var number = at.ToByteArray(isUnsigned: true, isBigEndian: true);
            number.CopyTo(bytes, bytes.Length - number.Length);
            yield return new IPNetwork(new IPAddress(bytes), plan.SubnetLength);
        }
    }

    // Numbers of another kind than the agent's, so that the two cannot be wrong in the same way.
    private static bool Overlap(IPNetwork a, IPNetwork b)
    {
        if (Bits(a) != Bits(b))
            return false;
        var (lastA, lastB) = (Number(a.BaseAddress) + (BigInteger.One << (Bits(a) - a.PrefixLength)), Number(b.BaseAddress) + (BigInteger.One << (Bits(b) - b.PrefixLength)));
        return Number(a.BaseAddress) < lastB && Number(b.BaseAddress) < lastA;
    }

    private static BigInteger Number(IPAddress address) => new(address.GetAddressBytes(), isUnsigned: true, isBigEndian: true);

    private static int Bits(IPNetwork network) => network.BaseAddress.GetAddressBytes().Length * 8;
}
