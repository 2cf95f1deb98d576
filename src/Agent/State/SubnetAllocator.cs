using System.Net;

namespace Accelerated.Agent.State;

/// <summary>
/// Picks a free subnet as flannel does: the first 100 free ones from SubnetMin upward, one of them at random, so that nodes
/// starting together seldom want the same. Pure: what is taken comes in, the choice goes out.
/// </summary>
public static class SubnetAllocator
{
    private const int Candidates = 100;

    /// <summary>A free subnet of the plan, or null when all are taken.</summary>
    /// <param name="plan">Where and how large.</param>
    /// <param name="taken">Subnets in use, of any length and order; other families are ignored.</param>
    /// <param name="random">Source of the choice.</param>
    public static IPNetwork? Choose(AddressPlan plan, IEnumerable<IPNetwork> taken, Random random)
    {
        // Counted in subnets, not in addresses: at the top of the address space the address after the last one is zero.
        var free = new List<UInt128>(Candidates);
        var size = IPMath.Size(plan.Network.BaseAddress.AddressFamily, plan.SubnetLength);
        var last = IPMath.ToNumber(plan.SubnetMax) / size;
        var next = IPMath.ToNumber(plan.SubnetMin) / size;
        foreach (var (from, to) in Ranges(plan, taken))
        {
            for (; free.Count < Candidates && next <= last && next < from / size; next++)
                free.Add(next);
            next = UInt128.Max(next, (to / size) + 1);
        }

        for (; free.Count < Candidates && next <= last; next++)
            free.Add(next);
        return free.Count == 0 ? null : new IPNetwork(IPMath.ToAddress(free[random.Next(free.Count)] * size, plan.Network), plan.SubnetLength);
    }

    /// <summary>Whether <paramref name="subnet"/> shares an address with any of <paramref name="taken"/>.</summary>
    public static bool IsFree(IPNetwork subnet, IEnumerable<IPNetwork> taken)
    {
        foreach (var other in taken)
        {
            if (other.BaseAddress.AddressFamily == subnet.BaseAddress.AddressFamily && IPMath.Overlap(other, subnet))
                return false;
        }

        return true;
    }

    private static List<(UInt128 First, UInt128 Last)> Ranges(AddressPlan plan, IEnumerable<IPNetwork> taken)
    {
        var ranges = new List<(UInt128 First, UInt128 Last)>();
        foreach (var network in taken)
        {
            if (network.BaseAddress.AddressFamily == plan.Network.BaseAddress.AddressFamily)
                ranges.Add(IPMath.Range(network));
        }

        ranges.Sort();
        return ranges;
    }
}
