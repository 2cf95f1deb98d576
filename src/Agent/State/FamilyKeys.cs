namespace Accelerated.Agent.State;

/// <summary>The config keys of one address family and the limits flannel sets for it.</summary>
/// <param name="Network">Key of the overlay network.</param>
/// <param name="SubnetLen">Key of the subnet length.</param>
/// <param name="SubnetMin">Key of the first subnet.</param>
/// <param name="SubnetMax">Key of the last subnet.</param>
/// <param name="LongestSubnet">Largest subnet length that may be asked for.</param>
/// <param name="LongestNetwork">Largest network prefix length that may be cut up without an explicit length.</param>
/// <param name="UsualSubnetLength">Subnet length for a network that has room for it.</param>
internal sealed record FamilyKeys(
    string Network, string SubnetLen, string SubnetMin, string SubnetMax, int LongestSubnet, int LongestNetwork, int UsualSubnetLength)
{
    public static readonly FamilyKeys IPv4 = new("Network", "SubnetLen", "SubnetMin", "SubnetMax", 30, 28, 24);

    public static readonly FamilyKeys IPv6 = new("IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin", "IPv6SubnetMax", 126, 124, 64);
}
