using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.System.Tests.Netlink;

namespace Accelerated.System.Tests.Survey;

/// <summary>
/// A host of one overlay as a namespace: eth0 with 192.0.2.1, flannel.1, and a container behind the bridge docker0; the tools that people
/// configure hosts with, and a survey of it.
/// </summary>
internal sealed class SurveyHost : IDisposable
{
    public const string OwnTable = "accelerated-default";

    private readonly TestNamespace _ns = new();
    private readonly RouteSocket _routes;
    private readonly HostRules _rules;
    private readonly HostSurvey _survey;
    private readonly string _folder = Directory.CreateTempSubdirectory("survey-").FullName;

    public SurveyHost()
    {
        Underlay = _ns.AddUnderlay();
        _ns.Ip("link add flannel.1 type vxlan id 1 dev eth0 local 192.0.2.1 dstport 8472 nolearning");
        _ns.Ip("link set flannel.1 up");
        _ns.Ip("link add docker0 type bridge");
        _ns.Ip("link set docker0 up");
        _ns.Ip("link add veth1 type veth peer name pod1");
        _ns.Ip("link set veth1 up master docker0");
        Overlay = _ns.IndexOf("flannel.1");
        Container = _ns.IndexOf("veth1");
        Device = new OverlayDevice(
            AddressFamily.InterNetwork, "flannel.1", 1, 8472, Underlay, IPAddress.Parse("192.0.2.1"), MacAddress.Parse("02:00:00:00:00:01"),
            1450, false, false, IPNetwork.Parse("10.5.0.0/16"), IPNetwork.Parse("10.5.1.0/24"), [Peer(2), Peer(3)]);
        _routes = _ns.OpenSocket();
        _rules = new HostRules("default");
        _survey = new HostSurvey(_routes, _rules, 0xffff0000);
    }

    public int Underlay { get; }

    public int Overlay { get; }

    public int Container { get; }

    public OverlayDevice Device { get; set; }

    public HashSet<uint> OwnPrograms { get; } = [];

    public HashSet<uint> Siblings { get; } = [];

    public TestNamespace Namespace => _ns;

    /// <summary>Loads nftables rules.</summary>
    public void Nft(string rules) => Load(rules, "nft", "-f");

    /// <summary>Loads rules in the format of iptables-save, through nf_tables.</summary>
    public void Iptables(string rules) => Load(rules, "iptables-nft-restore");

    /// <summary>Loads rules in the format of iptables-save, through x_tables.</summary>
    public void Legacy(string rules) => Load(rules, "iptables-legacy-restore");

    /// <summary>Runs tc(8); words are split at spaces.</summary>
    public void Tc(string arguments) => _ns.Run("tc", arguments.Split(' '));

    /// <summary>Attaches a BPF program that lets everything pass as a filter of tc; the qdisc has to be there.</summary>
    public void AttachFilter(string device, string hook) => RunApart($"tc filter add dev {device} {hook} bpf da obj {Program("tc")} sec tc");

    /// <summary>Attaches such a program as generic XDP.</summary>
    public void AttachXdp(string device) => RunApart($"ip link set dev {device} xdpgeneric obj {Program("xdp")} sec xdp");

    public LaneSurvey Look() => _ns.Invoke(() => _survey.Look(Device, [Container], OwnPrograms, Siblings));

    public void Dispose()
    {
        _survey.Dispose();
        _rules.Dispose();
        _routes.Dispose();
        _ns.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static OverlayPeer Peer(int number)
    {
        var network = IPNetwork.Parse(string.Create(CultureInfo.InvariantCulture, $"10.5.{number}.0/24"));
        return new OverlayPeer(
            $"{network.BaseAddress}-24", network, network.BaseAddress, MacAddress.Parse(string.Create(CultureInfo.InvariantCulture, $"02:00:00:00:00:{number:x2}")),
            IPAddress.Parse(string.Create(CultureInfo.InvariantCulture, $"192.0.2.{number}")));
    }

    // iproute2 mounts a BPF file system at /sys/fs/bpf when it loads an object and finds none: not on the machine the tests run on.
    private void RunApart(string command) => _ns.Run("unshare", ["--mount", .. command.Split(' ')]);

    private string Program(string section)
    {
        var verdict = section == "xdp" ? "2 /* XDP_PASS */" : "-1 /* TC_ACT_UNSPEC */";
        var source = Path.Combine(_folder, section + ".c");
        var compiled = Path.Combine(_folder, section + ".o");
        File.WriteAllText(source, $"__attribute__((section(\"{section}\"), used)) int pass(void *c) {{ return {verdict}; }}\n__attribute__((section(\"license\"), used)) char l[] = \"GPL\";\n");
        TestNamespace.Execute("clang", "-O2", "-g", "-target", "bpf", "-c", source, "-o", compiled);
        return compiled;
    }

    private void Load(string rules, string command, params string[] options)
    {
        var file = Path.Combine(_folder, "rules");
        File.WriteAllText(file, rules);
        _ns.Run(command, [.. options, file]);
    }
}
