using System.Net;
using System.Text.Json.Nodes;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Agent;

/// <summary>
/// A second agent on a host of the lab, with a network, a device and an instance of its own, and one container, for which the host's second
/// container is taken.
/// </summary>
internal sealed class SecondNetwork(LabNode node, string datapath)
{
    public const string Prefix = "/other/network";
    public const string Config = """{"Network":"10.6.0.0/16","Backend":{"Type":"vxlan","VNI":2,"Port":8473}}""";
    public const string Device = "flannel.2";
    public const string Table = "accelerated-other";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private BackgroundCommand? _agent;

    /// <summary>What its agent tells the container runtime.</summary>
    public string SubnetFile => $"{node.RunDirectory}/other.env";

    /// <summary>Where its maps and links are pinned.</summary>
    public string Pins => Path.Combine(node.BpfDirectory, "other");

    /// <summary>The host's second container, once it is attached.</summary>
    public LabPod Pod => node.Pods[1];

    /// <summary>The container's address.</summary>
    public IPAddress Address => Subnet.PodAddress(1);

    private SubnetEnv Subnet => SubnetEnv.Parse(File.ReadAllText(SubnetFile));

    private string[] Flags =>
    [
        $"--etcd-endpoints={node.Layout.EtcdEndpoint}", $"--etcd-prefix={Prefix}", "--iface=eth0", "--ip-masq", $"--run-dir={node.RunDirectory}",
        $"--state-dir={node.RunDirectory}/state", $"--subnet-file={SubnetFile}", $"--datapath={datapath}", $"--bpf-dir={node.BpfDirectory}", "--instance=other",
    ];

    /// <summary>Starts the agent and waits until it is ready.</summary>
    public async Task StartAsync()
    {
        _agent = node.Start([LabTools.Agent(null), "agent", .. Flags]);
        await WaitAsync("readiness", s => (bool?)s["ready"] == true && (string?)s["health"] == "ok");
    }

    /// <summary>Ends the agent as systemd would.</summary>
    public async Task StopAsync() => Assert.Equal(0, await _agent!.StopAsync("TERM"));

    /// <summary>Ends the agent without a word.</summary>
    public Task KillAsync() => _agent!.StopAsync("KILL");

    /// <summary>Runs <c>accelerated cleanup</c> with its flags.</summary>
    public async Task<string> CleanupAsync() => (await node.ExecAsync([LabTools.Agent(null), "cleanup", .. Flags])).OrThrow().Stdout;

    /// <summary>Waits for a status that has something.</summary>
    public async Task WaitAsync(string what, Func<JsonObject, bool> condition)
    {
        var last = "";
        await Wait.UntilAsync($"{what} of the second network on {node.Namespace}", async () =>
        {
            last = (await node.ExecAsync(LabTools.Agent(null), "status", $"--run-dir={node.RunDirectory}", "--instance=other", "--json")).Stdout;
            return last.StartsWith('{') && condition(JsonNode.Parse(last)!.AsObject());
        }, explain: () => $"{last}\n{_agent?.Output()}", cancel: Cancel);
    }

    /// <summary>Does for the second container what a runtime does with the second subnet.env: a bridge and an interface on it.</summary>
    public Task AttachAsync()
    {
        var env = Subnet;
        return node.RunAsync("sh", "-ec", $"""
            ip link del veth2
            ip link add name cni1 mtu {env.Mtu} address {LabLayout.MacFor(env.Gateway)} type bridge forward_delay 0
            ip address add {env.Gateway}/24 brd + dev cni1
            ip link set cni1 up
            ip link add name veth2 mtu {env.Mtu} type veth peer name eth0 netns {Pod.Namespace} mtu {env.Mtu} address {LabLayout.MacFor(Address)}
            ip link set veth2 master cni1 up
            ip -n {Pod.Namespace} address add {Address}/24 brd + dev eth0
            ip -n {Pod.Namespace} link set eth0 up
            ip -n {Pod.Namespace} route add default via {env.Gateway}
            """);
    }

    /// <summary>All of one network in the kernel of a host, as text without counters, marks and what the kernel does by itself.</summary>
    public static Task<string> StateAsync(LabNode node, string device, string table) => node.RunAsync("sh", "-c", $$"""
        ip -d link show {{device}}
        ip -4 address show dev {{device}}
        ip route show dev {{device}}
        ip -4 neighbour show dev {{device}}
        bridge fdb show dev {{device}}
        nft -s list table inet {{table}} | sed '/chain accept/,/^	}/d; /^$/d'
        """);
}
