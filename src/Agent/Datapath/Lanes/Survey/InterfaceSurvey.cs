using System.Globalization;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>What is attached to interfaces: queueing disciplines, filters, BPF programs and chains of single devices. Pure.</summary>
/// <param name="host">What was read.</param>
/// <param name="foreign">Tables that are not ours.</param>
/// <param name="ownPrograms">Numbers of our own programs.</param>
/// <param name="programName">Gives a program's name by its number, or null.</param>
internal sealed class InterfaceSurvey(
    HostConfiguration host, IReadOnlyList<FilterTable> foreign, IReadOnlySet<uint> ownPrograms, Func<uint, string?> programName)
{
    private const string NoQueue = "noqueue";

    /// <summary>What lane 2 would leave out on a container's interface; null for nothing.</summary>
    public string? Container(Link link)
    {
        if (Anything(link) is { } own)
            return own;

        // The bridge it belongs to is one more interface that packets pass.
        return link.MasterIndex != 0 && host.FindLink(link.MasterIndex) is { } bridge ? Anything(bridge) : null;
    }

    /// <summary>What lane 2 would leave out on the overlay's device; lane 1 passes it. Null for nothing.</summary>
    public string? OverlayForShortcut(Link overlay) =>
        ForeignPrograms(overlay, TcxHook.Ingress) ?? ForeignPrograms(overlay, TcxHook.Egress)
        ?? Filters(overlay, TcxHook.Ingress) ?? Xdp(overlay)
        ?? Chain(overlay, FilterHook.Ingress) ?? Chain(overlay, FilterHook.Egress);

    /// <summary>What lane 1 would leave out on the overlay's device, where its program redirects packets: what comes behind it.</summary>
    public IEnumerable<string> OverlayForLanes(Link overlay)
    {
        if (Queue(overlay) is { } queue)
            yield return queue;
        if (ProgramsBehindOurs(overlay, TcxHook.Egress) is { } behind)
            yield return behind;
        if (Filters(overlay, TcxHook.Egress) is { } filters)
            yield return filters;
    }

    /// <summary>
    /// What any lane would leave out on the underlay interface when it sends. Packets that a tc program redirects go through tc on egress and
    /// the queue as all others do, but netfilter's egress hook lets them by (skb->nf_skip_egress, Linux 5.16).
    /// </summary>
    public string? UnderlayForLanes(Link underlay) => Chain(underlay, FilterHook.Egress);

    /// <summary>What a lane that decapsulates would leave out on the underlay interface: whatever sees packets behind our program.</summary>
    public IEnumerable<string> UnderlayForTunnelIn(Link underlay)
    {
        if (ProgramsBehindOurs(underlay, TcxHook.Ingress) is { } behind)
            yield return behind;
        if (Filters(underlay, TcxHook.Ingress) is { } filters)
            yield return filters;
        if (Chain(underlay, FilterHook.Ingress) is { } chain)
            yield return chain;
    }

    /// <summary>Who would see a packet otherwise on the underlay interface if it were decapsulated before there is an skb.</summary>
    public IEnumerable<string> UnderlayForEarly(Link underlay)
    {
        if (ForeignPrograms(underlay, TcxHook.Ingress) is { } foreign)
            yield return foreign;
        if (host.FiltersBeforeOurs.Contains(underlay.Index))
            yield return $"{underlay.Name} has tc filters on ingress before ours (tc filter show dev {underlay.Name} ingress)";
        // A NIC takes the tag off before XDP looks, so a packet of the VLAN looks like one of ours.
        if (host.Links.FirstOrDefault(l => l.Kind == "vlan" && l.ParentIndex == underlay.Index && l.ParentNetns is null) is { } vlan)
            yield return $"{vlan.Name} is a VLAN on {underlay.Name}";
    }

    private string? Anything(Link link) =>
        Queue(link)
        ?? Filters(link, TcxHook.Ingress) ?? Filters(link, TcxHook.Egress)
        ?? ForeignPrograms(link, TcxHook.Ingress) ?? ForeignPrograms(link, TcxHook.Egress)
        ?? Xdp(link)
        ?? Chain(link, FilterHook.Ingress) ?? Chain(link, FilterHook.Egress);

    private string? Queue(Link link) =>
        host.Qdiscs.FirstOrDefault(q => q.InterfaceIndex == link.Index && q.IsRoot && q.Kind != NoQueue) is { } queue
            ? $"{link.Name} has a queue ({queue.Kind}), which shapes or counts what passes (tc qdisc del dev {link.Name} root)"
            : null;

    private string? Filters(Link link, TcxHook hook) =>
        host.FiltersOn(link.Index, hook) is [var first, ..]
            ? $"{link.Name} has tc filters on {Words(hook)} ({first.Kind}, priority {first.Priority.ToString(CultureInfo.InvariantCulture)}; tc filter show dev {link.Name} {Words(hook)})"
            : null;

    private string? ForeignPrograms(Link link, TcxHook hook)
    {
        foreach (var id in host.ProgramsOn(link.Index, hook))
        {
            if (!ownPrograms.Contains(id))
                return Words(link, hook, id, "");
        }

        return null;
    }

    private string? ProgramsBehindOurs(Link link, TcxHook hook)
    {
        var oursSeen = false;
        foreach (var id in host.ProgramsOn(link.Index, hook))
        {
            if (ownPrograms.Contains(id))
                oursSeen = true;
            else if (oursSeen)
                return Words(link, hook, id, " behind ours; attach it before ours");
        }

        return null;
    }

    private string Words(Link link, TcxHook hook, uint id, string remark) =>
        $"{link.Name} has the BPF program {programName(id) ?? "?"} (id {id.ToString(CultureInfo.InvariantCulture)}) on tcx {Words(hook)}{remark} (bpftool net show dev {link.Name})";

    private static string? Xdp(Link link) =>
        link.HasXdp ? $"{link.Name} has an XDP program (ip link set dev {link.Name} xdp off)" : null;

    private string? Chain(Link link, FilterHook hook) =>
        RuleSurvey.OnInterface(foreign, link.Name, hook) is [var (table, chain), ..]
            ? $"chain {chain.Name} of the table {RulePhrases.Words(table)} has rules for {(hook == FilterHook.Ingress ? "ingress" : "egress")} of {link.Name}"
            : null;

    private static string Words(TcxHook hook) => hook == TcxHook.Ingress ? "ingress" : "egress";
}
