using System.Net;

namespace Accelerated.Lab;

/// <summary>Builds the namespaces of a lab and the wires between them, through iproute2 in few processes.</summary>
internal sealed class Underlay(LabSpec spec, LabCommands commands)
{
    // Many namespaces are set up at once, but not more at a time than a small machine bears.
    private const int Parallel = 8;

    private readonly LabLayout _layout = spec.Layout;

    /// <summary>Makes everything up to addresses and link state; containers get only their namespace.</summary>
    /// <exception cref="LabException">The kernel refused something; the message shows the line.</exception>
    public async Task BuildAsync(CancellationToken cancel)
    {
        var nodes = Enumerable.Range(1, spec.Nodes).ToList();
        var pods = nodes.SelectMany(n => Enumerable.Range(1, spec.PodsPerNode).Select(p => _layout.PodNamespace(n, p))).ToList();
        IEnumerable<string> all = [_layout.SwitchNamespace, _layout.EtcdNamespace, .. Members.Select(_layout.EtcdMemberNamespace), .. nodes.Select(_layout.NodeNamespace), .. pods];
        await commands.IpBatchAsync([.. all.Select(ns => $"netns add {ns}"), .. Wires(nodes)], ns: null, cancel);

        await commands.IpBatchAsync(
            [
                "link add name sw0 type bridge forward_delay 0 mcast_snooping 0",
                "link set dev sw0 up",
                .. nodes.Select(SwitchPort).Append("etcd").Concat(Members.Select(MemberPort)).Select(port => $"link set dev {port} master sw0 up"),
            ],
            _layout.SwitchNamespace, cancel);

        var loopbackOnly = pods.Select(ns => (ns, (string[])["link set dev lo up"]));
        var etcd = (_layout.EtcdNamespace, (string[])["link set dev lo up", .. Address("eth0", _layout.EtcdAddress)]);
        var members = Members.Select(m => (_layout.EtcdMemberNamespace(m), (string[])["link set dev lo up", .. Address("eth0", _layout.EtcdMemberAddress(m))]));
        await System.Threading.Tasks.Parallel.ForEachAsync(
            [etcd, .. members, .. nodes.Select(n => (_layout.NodeNamespace(n), NodeLines(n))), .. loopbackOnly],
            new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancel },
            async (work, token) => await commands.IpBatchAsync(work.Item2, work.Item1, token));

        // Forwarding is on, as Docker and the kubelet leave it; the agent does not touch it, nor did flannel.
        const string forward = """for ns; do nsenter --net="$ns" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' || exit 1; done""";
        await commands.RunAsync(
            ["sh", "-c", forward, "sh", .. nodes.Select(n => $"{LabLayout.NamespaceDirectory}/{_layout.NodeNamespace(n)}")], cancel: cancel);
    }

    private IEnumerable<string> Wires(List<int> nodes)
    {
        yield return Veth(_layout.EtcdNamespace, "eth0", _layout.EtcdAddress, _layout.SwitchNamespace, "etcd");
        foreach (var member in Members)
            yield return Veth(_layout.EtcdMemberNamespace(member), "eth0", _layout.EtcdMemberAddress(member), _layout.SwitchNamespace, MemberPort(member));
        if (spec.Link == LabLink.Direct)
        {
            var far = LabLayout.MacFor(LabLayout.NodeAddress(2));
            yield return $"{Veth(_layout.NodeNamespace(1), "eth0", LabLayout.NodeAddress(1), _layout.NodeNamespace(2), "eth0")} address {far}";
        }
        foreach (var node in nodes)
        {
            var (device, address) = ToSwitch(node);
            yield return Veth(_layout.NodeNamespace(node), device, address, _layout.SwitchNamespace, SwitchPort(node));
        }
    }

    private string Veth(string ns, string device, IPAddress address, string peerNamespace, string peer) =>
        $"link add name {device} netns {ns} mtu {spec.UnderlayMtu} address {LabLayout.MacFor(address)} "
        + $"type veth peer name {peer} netns {peerNamespace} mtu {spec.UnderlayMtu}";

    private string[] NodeLines(int node)
    {
        var (device, address) = ToSwitch(node);
        return
        [
            "link set dev lo up",
            .. Address("eth0", LabLayout.NodeAddress(node)),
            .. device == "eth0" ? [] : Address(device, address),
        ];
    }

    private static string[] Address(string device, IPAddress address) =>
        [$"address add {address}/{LabLayout.UnderlayPrefixLength} brd + dev {device}", $"link set dev {device} up"];

    private (string Device, IPAddress Address) ToSwitch(int node) =>
        spec.Link == LabLink.Direct ? ("eth1", LabLayout.ControlAddress(node)) : ("eth0", LabLayout.NodeAddress(node));

    // One that is alone is where its operator is.
    private IEnumerable<int> Members => LabEtcd.Numbers(spec.Etcd).Where(number => number > 0);

    private static string MemberPort(int member) => $"etcd{member}";

    private static string SwitchPort(int node) => $"node{node}";
}
