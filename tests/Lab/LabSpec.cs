using System.Collections.Immutable;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Accelerated.Lab;

/// <summary>
/// What a lab is to be. Immutable; <see cref="NetworkLab.UpAsync"/> turns it into namespaces and processes.
/// </summary>
public sealed partial record LabSpec
{
    /// <summary>The most nodes a lab has.</summary>
    public const int MaxNodes = 50;

    /// <summary>The most containers a node has.</summary>
    public const int MaxPodsPerNode = 20;

    /// <summary>The network configuration used where none is given.</summary>
    public const string DefaultConfig = """{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}""";

    /// <summary>The lanes an agent can be asked to use; <c>--datapath</c> of the agent.</summary>
    public static ImmutableArray<string> Datapaths { get; } = ["auto", BpfDatapath, "kernel", "host-gw"];

    /// <summary>The datapath of a test that is about the eBPF lanes.</summary>
    public const string BpfDatapath = "bpf";

    /// <summary>Whether agents look for a BPF file system, which then is the lab's own.</summary>
    public bool UsesBpf => Datapath is BpfDatapath or "auto";

    /// <summary>Prefix of every namespace: a lowercase letter, then up to seven lowercase letters or digits.</summary>
    public string Name { get; init; } = "lab";

    /// <summary>Number of hosts, 1 to 50.</summary>
    public int Nodes { get; init; } = 2;

    /// <summary>Number of containers on each host, 0 to 20.</summary>
    public int PodsPerNode { get; init; } = 1;

    /// <summary>
    /// What is put at <c>/coreos.com/network/config</c>, a JSON object. Null puts nothing, for tests of an agent that waits;
    /// <see cref="LabEtcd.PutConfigAsync"/> puts it later.
    /// </summary>
    public string? Config { get; init; } = DefaultConfig;

    /// <summary>The lab's etcd; one member unless said otherwise.</summary>
    public EtcdSpec Etcd { get; init; } = new();

    /// <summary>One of <see cref="Datapaths"/>, given to every agent.</summary>
    public string Datapath { get; init; } = "auto";

    /// <summary>How the nodes are joined.</summary>
    public LabLink Link { get; init; } = LabLink.Switch;

    /// <summary>MTU of the underlay interfaces, in bytes.</summary>
    public int UnderlayMtu { get; init; } = 1500;

    /// <summary>Flags for every agent, after the lab's own: where a flag is repeated, the agent takes the last.</summary>
    public ImmutableArray<string> AgentFlags { get; init; } = [];

    /// <summary>Environment variables for every agent, such as <c>FLANNELD_IFACE</c>.</summary>
    public ImmutableDictionary<string, string> AgentEnvironment { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>
    /// The agent's binary. Null takes the environment variable <c>ACCELERATED_BIN</c>, else <c>artifacts/accelerated</c>.
    /// </summary>
    public string? AgentBinary { get; init; }

    /// <summary>The names and addresses of this lab.</summary>
    public LabLayout Layout => new(Name, Link);

    /// <summary>Checks every value.</summary>
    /// <exception cref="LabException">One is bad; the message names the variable as <c>make</c> knows it, and the remedy.</exception>
    public void Validate()
    {
        CheckName(Name);
        if (Nodes is < 1 or > MaxNodes)
            throw new LabException($"NODES={Nodes} is out of range: give a number from 1 to {MaxNodes}, such as NODES=2");
        if (PodsPerNode is < 0 or > MaxPodsPerNode)
            throw new LabException($"PODS={PodsPerNode} is out of range: give the containers per node, 0 to {MaxPodsPerNode}, such as PODS=1");
        if (!Datapaths.Contains(Datapath))
            throw new LabException($"DATAPATH={Datapath} is unknown: use one of {string.Join(", ", Datapaths)}");
        if (!Enum.IsDefined(Link))
            throw new LabException($"LINK={Link} is unknown: use switch or direct");
        if (Link == LabLink.Direct && Nodes != 2)
            throw new LabException($"LINK=direct joins two nodes by one cable, but NODES={Nodes}: use NODES=2, or LINK=switch");
        if (Etcd.Members is not (1 or 3))
            throw new LabException($"an etcd of {Etcd.Members} members is not possible: use 1 or 3");
        if (Etcd.Members > 1 && Link == LabLink.Direct)
            throw new LabException("LINK=direct has no place for three members of etcd: use LINK=switch");
        if (Config is not null)
            CheckConfig(Config);
    }

    /// <summary>Checks a lab's name.</summary>
    /// <exception cref="LabException">It cannot be a prefix of namespace names.</exception>
    internal static void CheckName(string name)
    {
        if (!NamePattern().IsMatch(name))
            throw new LabException(
                $"LAB='{name}' cannot be used: it begins the names of network namespaces, so give a lowercase letter "
                + "and then up to seven lowercase letters or digits, such as LAB=lab");
    }

    private static void CheckConfig(string config)
    {
        const string remedy = $"give flannel's network configuration, such as CONFIG='{DefaultConfig}'";
        try
        {
            using var document = JsonDocument.Parse(config);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new LabException($"CONFIG is not a JSON object: {remedy}");
        }
        catch (JsonException e)
        {
            throw new LabException($"CONFIG is not valid JSON ({e.Message}): {remedy}", e);
        }
    }

    [GeneratedRegex("^[a-z][a-z0-9]{0,7}\\z")]
    private static partial Regex NamePattern();
}
