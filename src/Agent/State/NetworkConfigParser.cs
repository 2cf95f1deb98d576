using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Accelerated.Agent.State;

/// <summary>
/// Reads flannel's configuration JSON as Go's encoding/json does: key names without regard to case, unknown keys ignored,
/// the last of two equal keys wins, null leaves the default.
/// </summary>
public static class NetworkConfigParser
{
    /// <summary>A working example, for messages.</summary>
    public const string Example = """{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""";

    /// <summary>Parses and validates.</summary>
    /// <exception cref="NetworkConfigException">The message names the key at fault and the remedy.</exception>
    public static NetworkConfig Parse(string json)
    {
        using var document = ParseJson(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            throw new NetworkConfigException($"the config is not a JSON object: write for example {Example}");
        var root = new GoObject(document.RootElement, "");
        var warnings = new List<string>();
        var ipv4 = root.Bool("EnableIPv4", true) ? Plan(root, FamilyKeys.IPv4, AddressFamily.InterNetwork) : null;
        var ipv6 = root.Bool("EnableIPv6", false) ? Plan(root, FamilyKeys.IPv6, AddressFamily.InterNetworkV6) : null;
        if (ipv4 is null && ipv6 is null)
            throw new NetworkConfigException("EnableIPv4 and EnableIPv6 are both false: enable one");
        return new NetworkConfig(ipv4, ipv6, Backend(root, warnings), json, warnings);
    }

    private static JsonDocument ParseJson(string json)
    {
        try
        {
            return GoObject.Parse(json);
        }
        catch (JsonException e)
        {
            var at = e.LineNumber is { } line ? $" (line {line + 1}, byte {e.BytePositionInLine + 1})" : "";
            throw new NetworkConfigException($"the config is not JSON{at}: write for example {Example}", e);
        }
    }

    private static AddressPlan Plan(GoObject root, FamilyKeys keys, AddressFamily family)
    {
        var text = root.String(keys.Network)
            ?? throw new NetworkConfigException($"{keys.Network} is missing: name the overlay network, for example {Example}");
        if (!TryParseCidr(text, family, out var network))
            throw new NetworkConfigException($"{keys.Network} \"{text}\" is not a network in CIDR notation: write for example {(family == AddressFamily.InterNetwork ? "10.5.0.0/16" : "fd00:42::/48")}");
        var length = root.Integer(keys.SubnetLen, 0, 0, 128);
        var (min, max) = (Address(root, keys.SubnetMin, family), Address(root, keys.SubnetMax, family));
        return AddressPlan.TryCreate(keys, network, (int)length, min, max, out var plan, out var error)
            ? plan
            : throw new NetworkConfigException(error);
    }

    private static IPAddress? Address(GoObject root, string key, AddressFamily family)
    {
        if (root.String(key) is not { Length: > 0 } text)
            return null;
        return IPMath.TryParse(text, family, out var address)
            ? address
            : throw new NetworkConfigException($"{key} \"{text}\" is not an {(family == AddressFamily.InterNetwork ? "IPv4" : "IPv6")} address");
    }

    private static BackendConfig Backend(GoObject root, List<string> warnings)
    {
        if (root.Object("Backend") is not { } backend)
        {
            // flannel's code runs udp here although its documentation says vxlan; nobody who left the key out wants udp.
            warnings.Add("Backend is missing: vxlan is assumed; write \"Backend\":{\"Type\":\"vxlan\"} to say so");
            return new BackendConfig(BackendConfig.Vxlan, BackendConfig.DefaultVni, BackendConfig.DefaultPort, false, false, false, 0) { IsAssumed = true };
        }

        var type = backend.String("Type") is { Length: > 0 } given
            ? given.ToLowerInvariant()
            : throw new NetworkConfigException("Backend.Type is missing: write \"Backend\":{\"Type\":\"vxlan\"}");
        var vni = (uint)backend.Integer("VNI", BackendConfig.DefaultVni, 0, BackendConfig.LargestVni);
        var port = (ushort)backend.Integer("Port", 0, 0, ushort.MaxValue);
        var mtu = (int)backend.Integer("MTU", 0, 0, 65535);
        if (mtu is > 0 and < 626)
            throw new NetworkConfigException($"Backend.MTU {mtu} leaves less than the 576 bytes every IPv4 host must accept: use 626 or more, or leave the key out");
        return new BackendConfig(type, vni == 0 ? BackendConfig.DefaultVni : vni, port == 0 ? BackendConfig.DefaultPort : port,
            backend.Bool("GBP", false), backend.Bool("DirectRouting", false), backend.Bool("Learning", false), mtu);
    }

    /// <summary>Parses CIDR notation and clears host bits, as flannel does.</summary>
    internal static bool TryParseCidr(string text, AddressFamily family, out IPNetwork network)
    {
        network = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !IPMath.TryParse(text.AsSpan(0, slash), family, out var address))
            return false;
        if (!int.TryParse(text.AsSpan(slash + 1), System.Globalization.NumberStyles.None, null, out var length) || length > IPMath.Bits(family))
            return false;
        network = IPMath.Mask(address, length);
        return true;
    }
}
