using System.Net;
using System.Text.RegularExpressions;

namespace Accelerated.Lab;

/// <summary>
/// The names, paths and addresses of a lab, all derived from its name. Other people's scripts rely on them.
/// </summary>
/// <param name="Name">The prefix of every namespace, 1 to 8 characters.</param>
/// <param name="Link">How the nodes are joined; decides where etcd is.</param>
public sealed partial record LabLayout(string Name, LabLink Link = LabLink.Switch)
{
    private const int EtcdHostNumber = 250;
    private const int FirstMachineNumber = 200;

    /// <summary>The length of the underlay's prefixes, in bits.</summary>
    public const int UnderlayPrefixLength = 24;

    /// <summary>Where <c>ip netns</c> keeps the names of namespaces.</summary>
    public const string NamespaceDirectory = "/run/netns";

    /// <summary>The namespace that holds the bridge <c>sw0</c>.</summary>
    public string SwitchNamespace => $"{Name}-switch";

    /// <summary>The namespace etcd runs in; with three members, that of their operator.</summary>
    public string EtcdNamespace => $"{Name}-etcd";

    /// <summary>The namespace of one of three members, counted from 1; 0 is the only one.</summary>
    public string EtcdMemberNamespace(int member) => member == 0 ? EtcdNamespace : $"{EtcdNamespace}{member}";

    /// <summary>The address of one of three members, counted from 1; 0 is the only one.</summary>
    public IPAddress EtcdMemberAddress(int member) => member == 0 ? EtcdAddress : NodeAddress(EtcdHostNumber + member);

    /// <summary>Everything the lab keeps on disk is below this directory.</summary>
    public string RunDirectory => $"/run/accelerated-{Name}";

    /// <summary>etcd's data and log.</summary>
    public string EtcdDirectory => $"{RunDirectory}/etcd";

    /// <summary>Captures and the output of background commands.</summary>
    public string BpfDirectory => $"{RunDirectory}/bpf";

    /// <summary>Scratch space of tests and captures.</summary>
    public string ScratchDirectory => $"{RunDirectory}/scratch";

    /// <summary>etcd's address on the interface the nodes reach it by.</summary>
    public IPAddress EtcdAddress => Link == LabLink.Direct ? ControlAddress(EtcdHostNumber) : NodeAddress(EtcdHostNumber);

    /// <summary>The endpoint of an etcd that is alone and without TLS.</summary>
    public string EtcdEndpoint => $"http://{EtcdAddress}:2379";

    /// <summary>The namespace of node <paramref name="node"/>, counted from 1.</summary>
    public string NodeNamespace(int node) => $"{Name}-node{node}";

    /// <summary>The namespace of container <paramref name="pod"/> on node <paramref name="node"/>, both counted from 1.</summary>
    public string PodNamespace(int node, int pod) => $"{Name}-pod{node}-{pod}";

    /// <summary>The directory with <c>subnet.env</c>, <c>agent.log</c>, <c>agent.pid</c> and <c>agent.sock</c> of a node.</summary>
    public string NodeDirectory(int node) => $"{RunDirectory}/node{node}";

    /// <summary>The name of a machine with a systemd of its own, counted from 1: its host name, and that of its cgroup.</summary>
    public string MachineName(int machine) => $"{Name}-machine{machine}";

    /// <summary>A machine's file system, its layers and its console.</summary>
    public string MachineDirectory(int machine) => $"{RunDirectory}/machine{machine}";

    /// <summary>The address of a machine's <c>host0</c>.</summary>
    public static IPAddress MachineAddress(int machine) => NodeAddress(FirstMachineNumber + machine);

    /// <summary>The address of a node's <c>eth0</c>.</summary>
    public static IPAddress NodeAddress(int node) => IPAddress.Parse($"192.0.2.{node}");

    /// <summary>The address of a node's <c>eth1</c>, which exists with <see cref="LabLink.Direct"/> only.</summary>
    public static IPAddress ControlAddress(int node) => IPAddress.Parse($"198.51.100.{node}");

    /// <summary>
    /// The MAC address the lab gives to the interface with an IPv4 address: <c>02:00</c> and the address in hexadecimal, so
    /// that a capture can be read without a table.
    /// </summary>
    public static string MacFor(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return $"02:00:{string.Join(':', address.GetAddressBytes().Select(b => b.ToString("x2")))}";
    }

    /// <summary>Whether a namespace, by its name, belongs to this lab. Another lab's prefix may begin with this one's.</summary>
    public bool Owns(string namespaceName)
    {
        ArgumentNullException.ThrowIfNull(namespaceName);
        return namespaceName.StartsWith($"{Name}-", StringComparison.Ordinal) && Suffix().IsMatch(namespaceName.AsSpan(Name.Length + 1));
    }

    [GeneratedRegex(@"^(switch|etcd\d?|node\d+|pod\d+-\d+)$")]
    private static partial Regex Suffix();
}
