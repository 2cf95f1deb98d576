using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Accelerated.Interop;

namespace Accelerated.Agent.State;

/// <summary>
/// The value of a subnet lease in etcd: who holds the subnet and how to reach it, in flannel's JSON.
/// </summary>
/// <param name="PublicIP">IPv4 address at which peers reach the node, or null.</param>
/// <param name="PublicIPv6">IPv6 address at which peers reach the node, or null.</param>
/// <param name="BackendType">Backend in lower case; empty when the key is absent, as flannel's udp and alloc leave it.</param>
/// <param name="Vtep">VXLAN data for the IPv4 overlay, or null.</param>
/// <param name="VtepV6">VXLAN data for the IPv6 overlay, or null.</param>
/// <param name="UnderstandsHostGw">
/// The node takes a peer of type host-gw in a vxlan network, as flannel does not. Not flannel's: a key that its nodes pass over.
/// </param>
public sealed record SubnetAttributes(
    IPAddress? PublicIP, IPAddress? PublicIPv6, string BackendType, VtepData? Vtep, VtepData? VtepV6, bool UnderstandsHostGw = false)
{
    // Names in flannel's JSON: a promise to other programs, not to be renamed with the properties.
    private const string PublicIPKey = "PublicIP", PublicIPv6Key = "PublicIPv6", BackendTypeKey = "BackendType", TransportsKey = "Transports";

    /// <summary>Longest value that is looked at; flannel's own are under 300 bytes.</summary>
    public const int LongestValue = 16 * 1024;

    /// <summary>The JSON exactly as flannel writes it: same keys, same order, <c>PublicIPv6</c> always there, the rest omitted when empty. What is not flannel's comes last.</summary>
    public string ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString(PublicIPKey, (PublicIP ?? IPAddress.Any).ToString());
            if (PublicIPv6 is null)
                json.WriteNull(PublicIPv6Key);
            else
                json.WriteString(PublicIPv6Key, PublicIPv6.ToString());
            if (BackendType.Length > 0)
                json.WriteString(BackendTypeKey, BackendType);
            WriteVtep(json, "BackendData", Vtep);
            WriteVtep(json, "BackendV6Data", VtepV6);
            if (UnderstandsHostGw)
            {
                json.WriteStartArray(TransportsKey);
                json.WriteStringValue(BackendConfig.Vxlan);
                json.WriteStringValue(BackendConfig.HostGw);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>Reads a value. Anything may stand in etcd, so a bad one is an answer and not an exception.</summary>
    /// <param name="json">The value.</param>
    /// <param name="attributes">The result.</param>
    /// <param name="error">What is wrong with the value, naming the key inside it.</param>
    public static bool TryParse(string json, [NotNullWhen(true)] out SubnetAttributes? attributes, [NotNullWhen(false)] out string? error)
    {
        attributes = null;
        if (json.Length > LongestValue)
        {
            error = $"the value is longer than {LongestValue} characters";
            return false;
        }

        try
        {
            using var document = GoObject.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                error = "the value is not a JSON object";
                return false;
            }

            var root = new GoObject(document.RootElement, "");
            attributes = new SubnetAttributes(
                Address(root, PublicIPKey, AddressFamily.InterNetwork),
                Address(root, PublicIPv6Key, AddressFamily.InterNetworkV6),
                (root.String(BackendTypeKey) ?? "").ToLowerInvariant(),
                ReadVtep(root, "BackendData"),
                ReadVtep(root, "BackendV6Data"),
                root.Lists(TransportsKey, BackendConfig.HostGw));
            error = null;
            return true;
        }
        catch (JsonException)
        {
            error = "the value is not JSON";
            return false;
        }
        catch (NetworkConfigException e)
        {
            error = e.Message;
            return false;
        }
    }

    private static IPAddress? Address(GoObject root, string key, AddressFamily family)
    {
        if (root.String(key) is not { Length: > 0 } text)
            return null;
        if (!IPMath.TryParse(text, family, out var address))
            throw new NetworkConfigException($"{key} \"{text}\" is not an {(family == AddressFamily.InterNetwork ? "IPv4" : "IPv6")} address");
        return address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) ? null : address;
    }

    private static VtepData? ReadVtep(GoObject root, string key)
    {
        // Other backends keep other things here (WireGuard its public key): no VTEP is not an error.
        if (root.Object(key) is not { } data || data.String("VtepMAC") is not { Length: > 0 } text)
            return null;
        if (!MacAddress.TryParse(text, out var mac))
            throw new NetworkConfigException($"{key}.VtepMAC \"{text}\" is not a MAC address");
        return new VtepData(data.Find("VNI") is null ? null : (uint)data.Integer("VNI", 0, 0, uint.MaxValue), mac);
    }

    private static void WriteVtep(Utf8JsonWriter json, string key, VtepData? data)
    {
        if (data is null)
            return;
        json.WriteStartObject(key);
        if (data.Vni is { } vni)
            json.WriteNumber("VNI", vni);
        json.WriteString("VtepMAC", data.Mac.ToString());
        json.WriteEndObject();
    }
}
