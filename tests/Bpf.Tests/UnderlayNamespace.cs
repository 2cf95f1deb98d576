using System.Text.RegularExpressions;
using Accelerated.Bpf.Tests;
using Accelerated.Interop;

[assembly: AssemblyFixture(typeof(UnderlayNamespace))]

// The tests share one namespace, and some change its routes.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Accelerated.Bpf.Tests;

/// <summary>
/// A network namespace with both ends of the underlay in it: eth0 is node 1's, far is node 2's. Neighbours are permanent, so a FIB lookup
/// has all it asks for and no packet is ever sent.
/// </summary>
public sealed partial class UnderlayNamespace : IDisposable
{
    private const string Prefix = "bpx-";

    public UnderlayNamespace()
    {
        // Wreckage of test processes that were killed.
        foreach (var path in Directory.Exists("/run/netns") ? Directory.GetFiles("/run/netns", Prefix + "*") : [])
        {
            if (!Directory.Exists($"/proc/{path.Split('-')[1]}"))
                BpfCompiler.Execute("ip", "netns", "delete", System.IO.Path.GetFileName(path));
        }

        Name = $"{Prefix}{Environment.ProcessId}";
        BpfCompiler.Execute("ip", "netns", "add", Name);
        Ip("link set lo up");
        Ip($"link add eth0 address {Nodes.One.UnderlayMac} type veth peer name far address {Nodes.Two.UnderlayMac}");
        Ip("link set far up");
        Ip("link set eth0 up");
        Ip($"address add {Nodes.One.Underlay}/24 dev eth0");
        SetForwarding("eth0", true);
        Ip($"neighbour add {Nodes.Two.Underlay} lladdr {Nodes.Two.UnderlayMac} nud permanent dev eth0");
        UnderlayIndex = IndexOf("eth0");
        FarIndex = IndexOf("far");
    }

    public string Name { get; }

    public string Path => $"/run/netns/{Name}";

    public int UnderlayIndex { get; }

    public int FarIndex { get; }

    /// <summary>Runs ip(8) in the namespace; words are split at spaces.</summary>
    public string Ip(string arguments) => BpfCompiler.Execute("ip", ["-n", Name, .. arguments.Split(' ')]);

    /// <summary>Runs tc(8) in the namespace.</summary>
    public string Tc(string arguments) => BpfCompiler.Execute("tc", ["-n", Name, .. arguments.Split(' ')]);

    public int IndexOf(string link) => int.Parse(FirstNumber().Match(Ip($"-o link show {link}")).Value);

    /// <summary>/proc/sys/net is that of the thread's namespace.</summary>
    public void SetForwarding(string link, bool on) =>
        Invoke(() => File.WriteAllText($"/proc/sys/net/ipv4/conf/{link}/forwarding", on ? "1" : "0"));

    public T Invoke<T>(Func<T> work) => NetworkNamespace.Invoke(Path, work);

    public void Invoke(Action work) => NetworkNamespace.Invoke(Path, work);

    public void Dispose() => BpfCompiler.Execute("ip", "netns", "delete", Name);

    [GeneratedRegex("^[0-9]+")]
    private static partial Regex FirstNumber();
}
