using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Accelerated.Agent.State;

/// <summary>
/// How one address family of the overlay is cut into subnets: the overlay network, the length of each node's subnet, and the
/// first and last subnet that may be handed out (both inclusive, network addresses aligned to <see cref="SubnetLength"/>).
/// The rules are flannel's (docs/flannel.md, "Config JSON"), for IPv4 and IPv6 alike.
/// </summary>
/// <param name="Network">The overlay network, host bits zero.</param>
/// <param name="SubnetMin">Network address of the first subnet that may be allocated.</param>
/// <param name="SubnetMax">Network address of the last subnet that may be allocated.</param>
/// <param name="SubnetLength">Prefix length of every node's subnet.</param>
public sealed record AddressPlan(IPNetwork Network, IPAddress SubnetMin, IPAddress SubnetMax, int SubnetLength)
{
    /// <summary>Whether <paramref name="subnet"/> has the plan's length and lies in [SubnetMin, SubnetMax].</summary>
    public bool Fits(IPNetwork subnet)
    {
        if (subnet.BaseAddress.AddressFamily != Network.BaseAddress.AddressFamily || subnet.PrefixLength != SubnetLength)
            return false;
        var value = IPMath.ToNumber(subnet.BaseAddress);
        return value >= IPMath.ToNumber(SubnetMin) && value <= IPMath.ToNumber(SubnetMax);
    }

    /// <summary>Whether the addresses that may be allocated and <paramref name="other"/> have one in common.</summary>
    public bool AllocatesInside(IPNetwork other)
    {
        if (other.BaseAddress.AddressFamily != Network.BaseAddress.AddressFamily)
            return false;
        var (first, last) = IPMath.Range(other);
        var planLast = IPMath.Range(new IPNetwork(SubnetMax, SubnetLength)).Last;
        return first <= planLast && last >= IPMath.ToNumber(SubnetMin);
    }

    /// <summary>Builds the plan of one family from the config's values, or says which key is at fault and why.</summary>
    /// <param name="keys">The config's key names for this family (<c>Network</c> or <c>IPv6Network</c> …).</param>
    /// <param name="network">The overlay network as written.</param>
    /// <param name="length">Subnet length as written; 0 when the key is absent.</param>
    /// <param name="min">First subnet as written, or null.</param>
    /// <param name="max">Last subnet as written, or null.</param>
    /// <param name="plan">The result.</param>
    /// <param name="error">What is wrong, beginning with the key at fault.</param>
    internal static bool TryCreate(FamilyKeys keys, IPNetwork network, int length, IPAddress? min, IPAddress? max,
        [NotNullWhen(true)] out AddressPlan? plan, [NotNullWhen(false)] out string? error)
    {
        plan = null;
        var prefix = network.PrefixLength;
        if (length == 0)
        {
            if (prefix > keys.LongestNetwork)
            {
                error = $"{keys.Network} {network} is too small to be cut into subnets: use /{keys.LongestNetwork} or a larger network";
                return false;
            }

            length = prefix <= keys.UsualSubnetLength - 2 ? keys.UsualSubnetLength : prefix + 2;
        }
        else if (length > keys.LongestSubnet)
        {
            error = $"{keys.SubnetLen} {length} leaves no room for containers: use {keys.LongestSubnet} or less";
            return false;
        }
        else if (length < prefix + 2)
        {
            error = $"{keys.SubnetLen} {length} cuts {keys.Network} {network} into fewer than four subnets: use {prefix + 2} or more";
            return false;
        }

        var (first, last) = IPMath.Range(network);
        var size = IPMath.Size(network.BaseAddress.AddressFamily, length);
        var lowest = min is null ? first + size : IPMath.ToNumber(min);
        var highest = max is null ? last - size + 1 : IPMath.ToNumber(max);
        foreach (var (key, given, value) in ((string, IPAddress?, UInt128)[])[(keys.SubnetMin, min, lowest), (keys.SubnetMax, max, highest)])
        {
            if (given is not null && !network.Contains(given))
            {
                error = $"{key} {given} is not inside {keys.Network} {network}";
                return false;
            }

            if (value % size != 0)
            {
                error = $"{key} {given} is not the first address of a /{length} subnet ({keys.SubnetLen} is {length})";
                return false;
            }
        }

        if (lowest > highest)
        {
            error = $"{keys.SubnetMin} {min ?? IPMath.ToAddress(lowest, network)} is above {keys.SubnetMax} {max ?? IPMath.ToAddress(highest, network)}: no subnet can be allocated";
            return false;
        }

        error = null;
        plan = new AddressPlan(network, IPMath.ToAddress(lowest, network), IPMath.ToAddress(highest, network), length);
        return true;
    }
}
