using System.Text;
using System.Text.Json;

namespace Accelerated.Agent.Cni;

/// <summary>The network configuration that the runtime gives the plugin: flannel's keys, read as flannel's plugin reads them (Go's encoding/json). Pure.</summary>
public sealed class NetworkConfiguration
{
    private const int LongestShown = 60;

    private readonly RawObject _root;

    private NetworkConfiguration(RawObject root)
    {
        _root = root;
        Name = Text("name") ?? "";
        if (Name.Length == 0)
            throw new CniException(CniException.InvalidConfiguration, "missing network name", "the configuration, or the list it stands in, needs a \"name\"");
        if (!CniRequest.IsIdentifier(Name))
            throw new CniException(CniException.InvalidConfiguration, "invalid characters found in network name", $"\"{Name}\": a letter or digit, then letters, digits, '_', '.' and '-'");
        Type = Text("type") ?? "";
        StatedVersion = Text("cniVersion") ?? "";
        SubnetFile = Text("subnetFile") ?? "/run/flannel/subnet.env";
        DataDirectory = Text("dataDir") ?? "/var/lib/cni/flannel";
        AgentSocket = Text("agentSocket") ?? "/run/accelerated/agent.sock";
        Delegate = Object("delegate")?.Inside;
        Ipam = Object("ipam")?.Inside;
        RuntimeConfig = Object("runtimeConfig");
        PreviousResult = root.FindField("prevResult");
        // The second name is that of the specification's first print, which libcni writes beside it.
        ValidAttachments = root.FindField("cni.dev/valid-attachments") ?? root.FindField("cni.dev/attachments");
    }

    /// <summary>The network.</summary>
    public string Name { get; }

    /// <summary>What this plugin was called as.</summary>
    public string Type { get; }

    /// <summary>The <c>cniVersion</c> as it stands there, or empty.</summary>
    public string StatedVersion { get; }

    /// <summary>The version that counts.</summary>
    public string Version => StatedVersion.Length == 0 ? CniVersion.Unnamed : StatedVersion;

    /// <summary><c>subnetFile</c>: what the agent writes.</summary>
    public string SubnetFile { get; }

    /// <summary><c>dataDir</c>: where the delegate's configuration is kept until DEL.</summary>
    public string DataDirectory { get; }

    /// <summary><c>agentSocket</c>, a key of ours: the agent's status socket.</summary>
    public string AgentSocket { get; }

    /// <summary>What the delegate is to be given, or null.</summary>
    public RawObject? Delegate { get; }

    /// <summary>What the delegate's address management is to be given, or null.</summary>
    public RawObject? Ipam { get; }

    /// <summary>What the runtime says about this container, or null.</summary>
    public RawValue? RuntimeConfig { get; }

    /// <summary>The result of the plugins before; at DEL and CHECK that of the ADD; or null.</summary>
    public RawValue? PreviousResult { get; }

    /// <summary>At GC: the containers that there are, as the runtime lists them; or null.</summary>
    public RawValue? ValidAttachments { get; }

    /// <summary>Reads it.</summary>
    /// <exception cref="CniException">It is no JSON object, has no usable name, or a key of the wrong kind.</exception>
    public static NetworkConfiguration Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            var root = RawObject.Parse(json);
            return root.IsObject
                ? new(root)
                : throw new CniException(CniException.Undecodable, "the network configuration on standard input is not a JSON object", $"it is {Shown(json)}");
        }
        catch (JsonException e)
        {
            throw new CniException(CniException.Undecodable, "the network configuration on standard input is not JSON", e.Message, e);
        }
    }

    private string? Text(string key)
    {
        if (_root.FindField(key) is not { } value)
            return null;
        return value.Text ?? throw Wrong(key, value, "text in quotes");
    }

    private RawValue? Object(string key)
    {
        if (_root.FindField(key) is not { } value)
            return null;
        return value.Kind == JsonTokenType.StartObject ? value : throw Wrong(key, value, "an object in braces");
    }

    private static CniException Wrong(string key, RawValue value, string expected) =>
        new(CniException.InvalidConfiguration, $"{key} is {Shown(value.Json)}: expected {expected}");

    private static string Shown(ReadOnlyMemory<byte> json) =>
        Encoding.UTF8.GetString(json.Span) is var text && text.Length > LongestShown ? text[..LongestShown] + "…" : text;
}
