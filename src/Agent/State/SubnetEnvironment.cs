using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace Accelerated.Agent.State;

/// <summary>The content of <c>subnet.env</c>, which Docker's options and the flannel CNI plugin are made from.</summary>
/// <param name="Network">IPv4 overlay network, or null.</param>
/// <param name="Subnet">The node's IPv4 subnet, or null.</param>
/// <param name="NetworkV6">IPv6 overlay network, or null.</param>
/// <param name="SubnetV6">The node's IPv6 subnet, or null.</param>
/// <param name="Mtu">MTU for containers, bytes.</param>
/// <param name="Masquerade">Whether this agent masquerades; Docker must then not.</param>
public sealed partial record SubnetEnvironment(IPNetwork? Network, IPNetwork? Subnet, IPNetwork? NetworkV6, IPNetwork? SubnetV6, int Mtu, bool Masquerade)
{
    /// <summary>The file's text, byte for byte what flannel writes: unquoted, this order, absent families left out.</summary>
    public string ToFileText()
    {
        var text = new StringBuilder(160);
        Append("FLANNEL", Network, Subnet);
        Append("FLANNEL_IPV6", NetworkV6, SubnetV6);
        text.Append(CultureInfo.InvariantCulture, $"FLANNEL_MTU={Mtu}\n");
        text.Append("FLANNEL_IPMASQ=").Append(Masquerade ? "true" : "false").Append('\n');
        return text.ToString();

        void Append(string prefix, IPNetwork? network, IPNetwork? subnet)
        {
            if (network is not { } whole || subnet is not { } own)
                return;
            text.Append(CultureInfo.InvariantCulture, $"{prefix}_NETWORK={whole}\n");
            text.Append(CultureInfo.InvariantCulture, $"{prefix}_SUBNET={IPMath.FirstHost(own)}/{own.PrefixLength}\n");
        }
    }

    /// <summary>
    /// The node's previous IPv4 subnet out of an existing file: flannel's form, or the form <c>mk-docker-opts.sh -d</c> leaves when
    /// it was pointed at subnet.env itself (<c>DOCKER_OPT_BIP="--bip=10.5.1.1/24"</c>). Null when there is none to be found.
    /// </summary>
    public static IPNetwork? FindPreviousSubnet(string text)
    {
        foreach (Match match in SubnetSetting().Matches(text))
        {
            if (NetworkConfigParser.TryParseCidr(match.Groups[1].Value, AddressFamily.InterNetwork, out var network))
                return network;
        }

        return null;
    }

    // A setting at the beginning of a line: what is commented out, or part of another name, does not count.
    [GeneratedRegex(@"^[ \t]*(?:export[ \t]+)?(?:FLANNEL_SUBNET=[""']?|[A-Za-z_][A-Za-z0-9_]*=[^#\n]*--bip=)([0-9./]+)", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex SubnetSetting();
}
