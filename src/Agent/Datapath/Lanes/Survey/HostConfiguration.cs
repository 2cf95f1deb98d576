using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>What was read from the kernel for a survey. Unreadable parts are null, with the reason in <paramref name="Unreadable"/>.</summary>
/// <param name="Tables">Packet filter rules, nftables' and legacy iptables'.</param>
/// <param name="Policies">IPsec policies.</param>
/// <param name="PolicyDefaults">What happens to packets no policy matches.</param>
/// <param name="Links">All interfaces.</param>
/// <param name="Qdiscs">All queueing disciplines.</param>
/// <param name="Filters">tc filters of the interfaces that matter, by interface and hook.</param>
/// <param name="Programs">tcx programs of those interfaces, in the order they run.</param>
/// <param name="Unreadable">What could not be read, and why.</param>
internal sealed record HostConfiguration(
    IReadOnlyList<FilterTable> Tables,
    IReadOnlyList<XfrmPolicy> Policies,
    XfrmDefaults PolicyDefaults,
    IReadOnlyList<Link> Links,
    IReadOnlyList<QueueDiscipline> Qdiscs,
    IReadOnlyDictionary<(int Interface, TcxHook Hook), IReadOnlyList<TrafficFilter>> Filters,
    IReadOnlyDictionary<(int Interface, TcxHook Hook), IReadOnlyList<uint>> Programs,
    IReadOnlyList<string> Unreadable)
{
    /// <summary>A host on which nobody configured anything.</summary>
    public static HostConfiguration Empty { get; } = new(
        [], [], default, [], [], new Dictionary<(int, TcxHook), IReadOnlyList<TrafficFilter>>(), new Dictionary<(int, TcxHook), IReadOnlyList<uint>>(), []);

    /// <summary>The interfaces on which others' tc filters see what comes in before ours do.</summary>
    public IReadOnlySet<int> FiltersBeforeOurs { get; init; } = new HashSet<int>();

    /// <summary>The interface of that index; null when there is none.</summary>
    public Link? FindLink(int index) => Links.FirstOrDefault(l => l.Index == index);

    /// <summary>The filters on a hook.</summary>
    public IReadOnlyList<TrafficFilter> FiltersOn(int index, TcxHook hook) => Filters.GetValueOrDefault((index, hook)) ?? [];

    /// <summary>The programs on a tcx hook.</summary>
    public IReadOnlyList<uint> ProgramsOn(int index, TcxHook hook) => Programs.GetValueOrDefault((index, hook)) ?? [];
}
