using System.Text;
using System.Text.Json;

namespace Accelerated.Agent.Tests;

/// <summary>What a real flannel wrote (tests/fixtures/README.md).</summary>
internal static class Fixtures
{
    internal const string Prefix = "/coreos.com/network";

    private static readonly string Root = Path.Combine(AppContext.BaseDirectory, "fixtures");

    /// <summary>The recorded networks: vxlan, dualstack …</summary>
    internal static IEnumerable<string> Networks =>
        Directory.GetDirectories(Root).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal);

    internal static string Text(string network, string file) => File.ReadAllText(Path.Combine(Root, network, file));

    /// <summary>All keys of a network with their values, byte for byte.</summary>
    internal static IReadOnlyDictionary<string, string> Etcd(string network)
    {
        using var json = JsonDocument.Parse(Text(network, "etcd.json"));
        return json.RootElement.GetProperty("kvs").EnumerateArray().ToDictionary(
            kv => Encoding.UTF8.GetString(kv.GetProperty("key").GetBytesFromBase64()),
            kv => Encoding.UTF8.GetString(kv.GetProperty("value").GetBytesFromBase64()));
    }

    internal static string Config(string network) => Etcd(network)[$"{Prefix}/config"];

    /// <summary>The subnet leases of a network: name under <c>subnets/</c> and value.</summary>
    internal static IEnumerable<(string Name, string Value)> Leases(string network) =>
        Etcd(network).Where(kv => kv.Key.StartsWith($"{Prefix}/subnets/", StringComparison.Ordinal))
            .Select(kv => (kv.Key[$"{Prefix}/subnets/".Length..], kv.Value));
}
