using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Accelerated.Agent.Cni;

/// <summary>
/// Makes the configuration of the plugin that does the work, as flannel's plugin makes it (github.com/flannel-io/cni-plugin): what the
/// configuration's <c>delegate</c> says, completed with what <c>subnet.env</c> says. Pure.
/// </summary>
public static class DelegateConfiguration
{
    /// <summary>Our own note in what is kept until DEL: plugins ignore keys that they do not know, so flannel's can take it from here.</summary>
    private const string Note = "accelerated";

    private const string NotedInterface = "ifName";

    /// <summary>The type of plugin to delegate to.</summary>
    /// <exception cref="CniException">It is no name of a plugin, or this plugin again.</exception>
    public static string TypeFor(NetworkConfiguration network)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (network.Delegate?.Find("type") is not { } type)
            return "bridge";
        if (type.Text is not { Length: > 0 } name || name is "." or ".." || name.Contains('/', StringComparison.Ordinal))
        {
            throw new CniException(CniException.InvalidConfiguration, "'delegate' dictionary, if present, must have (string) 'type' field",
                $"delegate.type is {Encoding.UTF8.GetString(type.Json.Span)}: expected the name of a plugin, such as \"bridge\"");
        }

        if (name == network.Type)
            throw new CniException(CniException.InvalidConfiguration, $"delegate.type is \"{name}\": the plugin would call itself without end", "name the plugin that makes the interface, such as \"bridge\"");
        return name;
    }

    /// <summary>The delegate's configuration.</summary>
    /// <exception cref="CniException">The configuration says what only this plugin may say.</exception>
    public static byte[] Build(NetworkConfiguration network, NodeSubnet node)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(node);
        var (type, given) = (TypeFor(network), network.Delegate ?? RawObject.Empty);
        if (given.Find("name") is not null)
            throw new CniException(CniException.InvalidConfiguration, "'delegate' dictionary must not have 'name' field, it'll be set by flannel");
        if (given.Find("ipam") is not null)
            throw new CniException(CniException.InvalidConfiguration, "'delegate' dictionary must not have 'ipam' field, it'll be set by flannel", "\"ipam\" belongs beside \"delegate\", not into it");
        var json = new RawWriter().AddAll(given, "type", "cniVersion", "runtimeConfig").Add("name", network.Name).Add("type", type);
        if (network.StatedVersion.Length > 0)
            json.Add("cniVersion", network.StatedVersion);
        else
            json.Add("cniVersion", given.Find("cniVersion"));
        if (given.Find("ipMasq") is null)
            json.Add("ipMasq", node.Masquerade ? "false"u8 : "true"u8);
        if (given.Find("mtu") is null)
            json.Add("mtu", Encoding.UTF8.GetBytes(node.Mtu.ToString(CultureInfo.InvariantCulture)));
        if (type == "bridge" && given.Find("isGateway") is null)
            json.Add("isGateway", "true"u8);
        return json.Add("runtimeConfig", network.RuntimeConfig ?? given.Find("runtimeConfig")).Add("ipam", Ipam(network.Ipam ?? RawObject.Empty, node)).ToArray();
    }

    /// <summary>What is kept until DEL: the same, and for which interface it is.</summary>
    public static byte[] ToKeep(byte[] configuration, string interfaceName) =>
        new RawWriter().AddAll(RawObject.Parse(configuration), Note).Add(Note, new RawWriter().Add(NotedInterface, interfaceName).ToArray()).ToArray();

    /// <summary>For which interface something was kept; null if flannel's plugin kept it, which does not say.</summary>
    public static string? InterfaceOf(RawObject kept)
    {
        ArgumentNullException.ThrowIfNull(kept);
        return kept.Find(Note)?.Inside.Find(NotedInterface)?.Text;
    }

    /// <summary>The delegate's configuration for ADD, GC or STATUS: with what is said about this one call.</summary>
    public static byte[] ForCall(byte[] configuration, NetworkConfiguration call)
    {
        ArgumentNullException.ThrowIfNull(call);
        return call.PreviousResult is null && call.ValidAttachments is null
            ? configuration
            : new RawWriter().AddAll(RawObject.Parse(configuration))
                .Add("prevResult", call.PreviousResult)
                .Add("cni.dev/valid-attachments", call.ValidAttachments)
                // As libcni does: the specification's first print had this name.
                .Add("cni.dev/attachments", call.ValidAttachments)
                .ToArray();
    }

    /// <summary>The delegate's configuration for DEL or CHECK, out of what was kept at ADD.</summary>
    /// <param name="kept">What was kept.</param>
    /// <param name="call">The configuration of this call.</param>
    /// <param name="command">DEL or CHECK.</param>
    public static byte[] FromKept(RawObject kept, NetworkConfiguration call, string command)
    {
        ArgumentNullException.ThrowIfNull(kept);
        ArgumentNullException.ThrowIfNull(call);
        // A result is written in its configuration's version. DEL must not fail because that was raised meanwhile; it can do without the result.
        var version = kept.Find("cniVersion")?.Text ?? CniVersion.Unnamed;
        var result = command == "CHECK" ? WithGateways(call.PreviousResult) : version == call.Version ? call.PreviousResult : null;
        return new RawWriter().AddAll(kept, Note, "prevResult", "runtimeConfig", "cniVersion")
            .Add("cniVersion", command == "CHECK" ? call.Version : version)
            .Add("runtimeConfig", call.RuntimeConfig ?? kept.Find("runtimeConfig"))
            .Add("prevResult", result)
            .ToArray();
    }

    /// <summary>
    /// The result with the gateway of each route that has none of its own, which is the address's. The kernel's route has one, and bridge
    /// before 1.2 (Debian 12) looks for one without and never finds it.
    /// </summary>
    private static RawValue? WithGateways(RawValue? result)
    {
        if (result?.Inside is not { } root || root.Find("routes")?.Inside is not { } routes)
            return result;
        var changed = new StringBuilder();
        foreach (var route in routes.Values)
        {
            var json = route.Json;
            if (route.Inside.Find("dst")?.Text is { } destination && route.Inside.Find("gw") is null && GatewayFor(destination, root) is { } gateway)
                json = new RawWriter().AddAll(route.Inside).Add("gw", gateway).ToArray();
            changed.Append(changed.Length == 0 ? "" : ",").Append(Encoding.UTF8.GetString(json.Span));
        }

        return new(result.Name, result.Kind, new RawWriter().AddAll(root, "routes").Add("routes", Encoding.UTF8.GetBytes($"[{changed}]")).ToArray());
    }

    private static string? GatewayFor(string destination, RawObject result)
    {
        foreach (var address in result.Find("ips")?.Inside.Values ?? [])
        {
            if (address.Inside.Find("gateway")?.Text is { } gateway && gateway.Contains(':', StringComparison.Ordinal) == destination.Contains(':', StringComparison.Ordinal))
                return gateway;
        }

        return null;
    }

    private static byte[] Ipam(RawObject given, NodeSubnet node)
    {
        var json = new RawWriter().AddAll(given, "ranges", "routes");
        if (given.Find("type") is null)
            json.Add("type", "host-local");
        var ranges = new StringBuilder();
        foreach (var subnet in node.Subnets)
            ranges.Append(ranges.Length == 0 ? "" : ",").Append("[{\"subnet\":\"").Append(subnet).Append("\"}]");
        var routes = new StringBuilder();
        var ours = given.Find("routes");
        if (ours is not null && ours.Kind is not (JsonTokenType.StartArray or JsonTokenType.Null))
        {
            throw new CniException(CniException.InvalidConfiguration, "failed to parse ipam.routes",
                $"ipam.routes is {Encoding.UTF8.GetString(ours.Json.Span)}: expected a list like [{{\"dst\": \"192.0.2.0/24\"}}]");
        }

        foreach (var route in ours?.Inside.Values ?? [])
            routes.Append(routes.Length == 0 ? "" : ",").Append(Encoding.UTF8.GetString(route.Json.Span));
        foreach (var overlay in node.Networks)
            routes.Append(routes.Length == 0 ? "" : ",").Append("{\"dst\":\"").Append(overlay).Append("\"}");
        return json.Add("ranges", Encoding.UTF8.GetBytes($"[{ranges}]")).Add("routes", Encoding.UTF8.GetBytes($"[{routes}]")).ToArray();
    }
}
