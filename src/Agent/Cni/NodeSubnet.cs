using System.Net.Sockets;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Cni;

/// <summary>What the plugin needs of <c>subnet.env</c>, whoever wrote it: this agent or flanneld, whose newer versions list several networks. Pure.</summary>
/// <param name="Networks">The overlay networks in CIDR notation, IPv4 first.</param>
/// <param name="Subnets">The node's subnets in CIDR notation, IPv4 first.</param>
/// <param name="Mtu">MTU for containers, bytes.</param>
/// <param name="Masquerade">Whether the agent masquerades; the delegate must then not.</param>
public sealed record NodeSubnet(IReadOnlyList<string> Networks, IReadOnlyList<string> Subnets, uint Mtu, bool Masquerade)
{
    /// <summary>Reads it: <c>NAME=VALUE</c> lines, other names ignored.</summary>
    /// <param name="text">The file's text.</param>
    /// <param name="path">Where it came from, for errors.</param>
    /// <exception cref="CniException">Something is missing or no such value.</exception>
    public static NodeSubnet Parse(string text, string path)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<string> networks = [], networksV6 = [], subnets = [], subnetsV6 = [];
        uint? mtu = null;
        bool? masquerade = null;
        foreach (var line in text.Split('\n'))
        {
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
                continue;
            var value = line[(equals + 1)..].Trim();
            switch (line[..equals].Trim())
            {
                case "FLANNEL_NETWORK":
                    networks = Networks4("FLANNEL_NETWORK", value, path);
                    break;
                case "FLANNEL_SUBNET":
                    subnets = Networks4("FLANNEL_SUBNET", value, path);
                    break;
                case "FLANNEL_IPV6_NETWORK":
                    networksV6 = Networks6("FLANNEL_IPV6_NETWORK", value, path);
                    break;
                case "FLANNEL_IPV6_SUBNET":
                    subnetsV6 = Networks6("FLANNEL_IPV6_SUBNET", value, path);
                    break;
                case "FLANNEL_MTU":
                    mtu = TryNumber(value, uint.MaxValue, out var number) ? number : throw Wrong(path, "FLANNEL_MTU", value, "a number of bytes");
                    break;
                case "FLANNEL_IPMASQ":
                    masquerade = value == "true";
                    break;
            }
        }

        List<string> missing = [];
        if (networks.Count + networksV6.Count == 0)
            missing.Add("FLANNEL_NETWORK");
        if (subnets.Count + subnetsV6.Count == 0)
            missing.Add("FLANNEL_SUBNET");
        if (mtu is null)
            missing.Add("FLANNEL_MTU");
        if (masquerade is null)
            missing.Add("FLANNEL_IPMASQ");
        if (missing.Count > 0)
        {
            throw new CniException(CniException.InvalidConfiguration, $"{path} is missing {string.Join(", ", missing)}",
                "does something else write to it (mk-docker-opts.sh -d)? Let that write elsewhere, and restart the agent");
        }

        networks.AddRange(networksV6);
        subnets.AddRange(subnetsV6);
        return new(networks, subnets, mtu.GetValueOrDefault(), masquerade.GetValueOrDefault());
    }

    private static List<string> Networks4(string name, string value, string path)
    {
        var networks = new List<string>();
        foreach (var one in value.Split(','))
            networks.Add(Network4(one.Trim()) ?? throw Wrong(path, name, value, "a network in CIDR notation, such as 10.5.1.0/24"));
        return networks;
    }

    private static List<string> Networks6(string name, string value, string path)
    {
        var networks = new List<string>();
        foreach (var one in value.Split(','))
            networks.Add(NetworkConfigParser.TryParseCidr(one.Trim(), AddressFamily.InterNetworkV6, out var network) ? network.ToString() : throw Wrong(path, name, value, "a network in CIDR notation, such as fd00:42::/48"));
        return networks;
    }

    /// <summary>The network an IPv4 prefix stands for, or null. By hand: the classes for addresses cost the plugin 10 ms of compiling at each start.</summary>
    private static string? Network4(string text)
    {
        var parts = text.Split('/');
        if (parts.Length != 2 || !TryNumber(parts[1], 32, out var length))
            return null;
        var address = 0u;
        var octets = parts[0].Split('.');
        foreach (var octet in octets)
        {
            if (!TryNumber(octet, 255, out var number))
                return null;
            address = (address << 8) | number;
        }

        if (octets.Length != 4)
            return null;
        address &= length == 0 ? 0 : uint.MaxValue << (int)(32 - length);
        return $"{Octet(address >> 24)}.{Octet(address >> 16)}.{Octet(address >> 8)}.{Octet(address)}/{parts[1]}";
    }

    private static string Octet(uint bits) => (bits & 0xff).ToString(System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A decimal number as Go reads it: digits only, and no zero in front.</summary>
    private static bool TryNumber(string text, uint most, out uint number)
    {
        ulong sum = 0;
        foreach (var digit in text)
        {
            sum = (sum * 10) + (ulong)(digit - '0');
            if (!char.IsAsciiDigit(digit) || sum > most)
            {
                number = 0;
                return false;
            }
        }

        number = (uint)sum;
        return text.Length > 0 && (text[0] != '0' || text.Length == 1);
    }

    private static CniException Wrong(string path, string name, string value, string expected) =>
        new(CniException.InvalidConfiguration, $"{path}: {name}={value}: expected {expected}");
}
