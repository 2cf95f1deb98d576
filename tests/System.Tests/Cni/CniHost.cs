using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Cni;

/// <summary>Calls plugins on a host of the lab as a container runtime does: real plugins, in a folder in which ours is called <c>flannel</c>.</summary>
internal sealed class CniHost
{
    /// <summary>The folder every test of one host has for itself.</summary>
    private readonly string _folder;
    private readonly LabNode _node;

    public CniHost(LabNode node, string version)
    {
        _node = node;
        _folder = Directory.CreateDirectory($"{node.Layout.ScratchDirectory}/cni-{Guid.NewGuid():N}"[..^20]).FullName;
        Directory.CreateDirectory(PluginFolder);
        foreach (var plugin in Directory.EnumerateFiles(LabTools.CniPlugins(version)))
            File.CreateSymbolicLink(Path.Combine(PluginFolder, Path.GetFileName(plugin)), plugin);
        File.CreateSymbolicLink(Path.Combine(PluginFolder, "flannel"), LabTools.Agent(null));
    }

    /// <summary>CNI_PATH.</summary>
    public string PluginFolder => $"{_folder}/bin";

    /// <summary>What the agent writes; here the test, unless the agent does.</summary>
    public string SubnetFile { get; init; } = "";

    /// <summary>Where flannel's plugin keeps what DEL needs.</summary>
    public string DataFolder => $"{_folder}/flannel";

    /// <summary>Where host-local keeps addresses.</summary>
    public string AddressFolder => $"{_folder}/networks";

    /// <summary>The addresses that are given away.</summary>
    public IReadOnlyList<string> Addresses => Directory.Exists($"{AddressFolder}/cbr0")
        ? [.. Directory.EnumerateFiles($"{AddressFolder}/cbr0").Select(f => Path.GetFileName(f)!).Where(f => char.IsAsciiDigit(f[0])).Order(StringComparer.Ordinal)]
        : [];

    /// <summary>What is kept for DEL, also what was not moved to its place.</summary>
    public IReadOnlyList<string> Kept => Directory.Exists(DataFolder) ? [.. Directory.EnumerateFiles(DataFolder).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)] : [];

    /// <summary>Writes <c>subnet.env</c> as the agent would.</summary>
    public static string WriteSubnetFile(LabNode node, string subnet = "10.5.1.1/24")
    {
        Directory.CreateDirectory(node.RunDirectory);
        File.WriteAllText(node.SubnetFile, $"FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET={subnet}\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n");
        return node.SubnetFile;
    }

    /// <summary>The network as kube-flannel's conflist has it, with the places of this test.</summary>
    /// <param name="version"><c>cniVersion</c>.</param>
    /// <param name="change">What is different.</param>
    public string Network(string version = "1.0.0", Action<JsonObject>? change = null)
    {
        var network = new JsonObject
        {
            ["cniVersion"] = version,
            ["name"] = "cbr0",
            ["type"] = "flannel",
            ["subnetFile"] = SubnetFile.Length > 0 ? SubnetFile : _node.SubnetFile,
            ["dataDir"] = DataFolder,
            ["agentSocket"] = $"{_node.RunDirectory}/agent.sock",
            ["ipam"] = new JsonObject { ["dataDir"] = AddressFolder },
            ["delegate"] = new JsonObject { ["hairpinMode"] = true, ["isDefaultGateway"] = true },
        };
        change?.Invoke(network);
        return network.ToJsonString();
    }

    /// <summary>Calls a plugin.</summary>
    /// <param name="command">CNI_COMMAND.</param>
    /// <param name="container">Its namespace; null for none.</param>
    /// <param name="network">Its standard input.</param>
    /// <param name="plugin">Which one.</param>
    /// <param name="id">CNI_CONTAINERID; the namespace's name if null.</param>
    /// <param name="name">CNI_IFNAME.</param>
    public async Task<CommandResult> CallAsync(string command, LabHost? container, string network, string plugin = "flannel", string? id = null, string name = "eth0") =>
        await _node.ExecAsync(
            [
                "env", $"CNI_COMMAND={command}", $"CNI_CONTAINERID={id ?? container?.Namespace}", $"CNI_NETNS={(container is null ? "" : $"{LabLayout.NamespaceDirectory}/{container.Namespace}")}",
                $"CNI_IFNAME={name}", $"CNI_PATH=/nowhere:{PluginFolder}", $"{PluginFolder}/{plugin}",
            ],
            network, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    /// <summary>Calls the plugin, which has to succeed; gives its result.</summary>
    /// <exception cref="LabException">It failed.</exception>
    public async Task<JsonObject> AddAsync(LabHost container, string network, string? id = null, string name = "eth0") =>
        JsonNode.Parse((await CallAsync("ADD", container, network, id: id, name: name)).OrThrow().Stdout)!.AsObject();

    /// <summary>The same for DEL, which says nothing.</summary>
    /// <exception cref="LabException">It failed.</exception>
    public async Task DeleteAsync(LabHost? container, string network, string? id = null, string name = "eth0") =>
        Assert.Equal("", (await CallAsync("DEL", container, network, id: id, name: name)).OrThrow().Stdout);

    /// <summary>The error of a call that has to fail as the specification says: JSON on standard output and exit code 1.</summary>
    public static (int Code, string Message, string Details) Error(CommandResult result)
    {
        Assert.Equal(1, result.ExitCode);
        using var error = JsonDocument.Parse(result.Stdout);
        return (error.RootElement.GetProperty("code").GetInt32(), error.RootElement.GetProperty("msg").GetString()!,
            error.RootElement.TryGetProperty("details", out var details) ? details.GetString()! : "");
    }

    /// <summary>The IPv4 address of a result.</summary>
    public static string AddressOf(JsonObject result) => ((string)result["ips"]![0]!["address"]!).Split('/')[0];

    /// <summary>How long a call takes.</summary>
    public static async Task<TimeSpan> TimeAsync(Func<Task> call)
    {
        var watch = Stopwatch.StartNew();
        await call();
        return watch.Elapsed;
    }
}
