using Accelerated.Lab;

namespace Accelerated.Soak;

/// <summary>The lab of a soak: three hosts, two of them on the lanes, one on the kernel's driver.</summary>
internal sealed class SoakLab(NetworkLab lab)
{
    /// <summary>The claim of whoever needs etcd, or takes it away.</summary>
    public const string EtcdClaim = "etcd";

    /// <summary>Nodes take their subnets from the first of these, so that strangers' keys never meet theirs.</summary>
    public const string Config = """{"Network":"10.5.0.0/16","SubnetMin":"10.5.1.0","SubnetMax":"10.5.20.0","Backend":{"Type":"vxlan"}}""";

    /// <summary>The same with another MTU.</summary>
    public const string NarrowConfig = """{"Network":"10.5.0.0/16","SubnetMin":"10.5.1.0","SubnetMax":"10.5.20.0","Backend":{"Type":"vxlan","MTU":1400}}""";

    private const int OnTheDriver = 2;
    private const int NeverEnded = 3;

    /// <summary>The lab.</summary>
    public NetworkLab Lab => lab;

    /// <summary>The hosts whose agent may be ended. One lives through the whole run, so that a leak has time to show.</summary>
    public IEnumerable<LabNode> Mortal => lab.Nodes.Where(n => n.Number != NeverEnded);

    /// <summary>The hosts with lanes.</summary>
    public IEnumerable<LabNode> WithLanes => lab.Nodes.Where(n => n.Number != OnTheDriver);

    /// <summary>What is to be built.</summary>
    public static LabSpec Spec(string name) => new() { Name = name, Nodes = 3, PodsPerNode = 2, Config = Config, AgentFlags = ["--reconcile-interval=10m"] };

    /// <summary>Starts the agent of a node, on the datapath that is its own.</summary>
    public static void StartAgent(LabNode node) => node.StartAgent(Flags(node));

    /// <summary>The flags that are a node's own.</summary>
    public static string[] Flags(LabNode node) => node.Number == OnTheDriver ? ["--datapath=kernel"] : [];

    /// <summary>Where the lanes of a node are pinned.</summary>
    public static string Pins(LabNode node) => Path.Combine(node.BpfDirectory, "default");

    /// <summary>Starts everything and waits until every node has a route to every other.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        foreach (var node in lab.Nodes)
            StartAgent(node);
        await lab.EachNodeAsync((node, token) => new ValueTask(node.WaitReadyAsync(cancel: token)), cancel);
        await lab.EachNodeAsync((node, token) => new ValueTask(node.AttachPodsAsync(token)), cancel);
        await lab.WaitRoutesAsync(cancel: cancel);
    }

    /// <summary>The key of a node's subnet. That its file is missing may be another fault's doing: it comes back.</summary>
    public static async Task<string> KeyOfAsync(LabNode node, CancellationToken cancel)
    {
        await Wait.UntilAsync("subnet.env", () => Task.FromResult(File.Exists(node.SubnetFile)), explain: node.LogTail, cancel: cancel);
        return KeyOf(node.Subnet().Subnet.ToString());
    }

    /// <summary>The key of a subnet such as <c>10.5.60.0/24</c>.</summary>
    public static string KeyOf(string subnet) => $"{LabEtcd.Prefix}/subnets/{subnet.Replace('/', '-')}";

    /// <summary>The value of a subnet lease as flannel and the agent write it.</summary>
    public static string LeaseValue(string publicIP, string mac) =>
        $$$"""{"PublicIP":"{{{publicIP}}}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"{{{mac}}}"}}""";
}
