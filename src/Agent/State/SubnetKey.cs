using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Accelerated.Agent.State;

/// <summary>
/// The name of a subnet lease in etcd, relative to <c>&lt;prefix&gt;/subnets/</c>: <c>10.5.1.0-24</c>, or with both families
/// <c>10.5.1.0-24&amp;fd00:42:0:3d::-64</c>.
/// </summary>
/// <param name="IPv4">The node's IPv4 subnet.</param>
/// <param name="IPv6">The node's IPv6 subnet, or null.</param>
public sealed partial record SubnetKey(IPNetwork IPv4, IPNetwork? IPv6)
{
    private const int LongestIPv4 = 31;
    private const int LongestIPv6 = 127;

    /// <summary>The key's text as flannel writes it (lower-case hexadecimal).</summary>
    public override string ToString() => IPv6 is { } v6 ? $"{Part(IPv4)}&{Part(v6)}" : Part(IPv4);

    /// <summary>
    /// Parses a key; false for anything flannel would not have written: host bits, leading zeros or another spelling of an address
    /// would be a second name for a subnet, and whoever looks for the key under its own name would never find it.
    /// </summary>
    public static bool TryParse(string text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SubnetKey? key)
    {
        key = null;
        var match = Pattern().Match(text);
        if (!match.Success || !TryNetwork(match.Groups[1], match.Groups[2], AddressFamily.InterNetwork, LongestIPv4, out var v4))
            return false;
        IPNetwork? v6 = null;
        if (match.Groups[3].Success)
        {
            if (!TryNetwork(match.Groups[3], match.Groups[4], AddressFamily.InterNetworkV6, LongestIPv6, out var network))
                return false;
            v6 = network;
        }

        var parsed = new SubnetKey(v4, v6);
        if (parsed.ToString() != text)
            return false;
        key = parsed;
        return true;
    }

    private static string Part(IPNetwork network) =>
        string.Create(CultureInfo.InvariantCulture, $"{network.BaseAddress}-{network.PrefixLength}");

    private static bool TryNetwork(Group address, Group length, AddressFamily family, int longest, out IPNetwork network)
    {
        network = default;
        return IPAddress.TryParse(address.ValueSpan, out var parsed) && parsed.AddressFamily == family
            && int.TryParse(length.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) && bits <= longest
            && IPNetwork.TryParse($"{parsed}/{bits}", out network);
    }

    [GeneratedRegex(@"\A([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})-([0-9]{1,3})(?:&([a-f0-9:]{2,39})-([0-9]{1,3}))?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
