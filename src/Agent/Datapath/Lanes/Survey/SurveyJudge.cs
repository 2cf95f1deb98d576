using System.Net.Sockets;
using Accelerated.Agent.State;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>Says what the lanes would slip past on a host that was read. Pure.</summary>
/// <param name="Device">The overlay.</param>
/// <param name="Containers">ifindexes of the host ends of containers' interfaces.</param>
/// <param name="OwnPrograms">Numbers of our own BPF programs.</param>
internal sealed record SurveyJudge(OverlayDevice Device, IReadOnlyCollection<int> Containers, IReadOnlySet<uint> OwnPrograms)
{
    /// <summary>The bits of connections' marks that are the shortcut's.</summary>
    public uint ShortcutMark { get; init; }

    /// <summary>Judges.</summary>
    /// <param name="host">What was read.</param>
    /// <param name="fingerprint">For the result.</param>
    /// <param name="textOf">Gives a rule's text in the words of nft, or null.</param>
    /// <param name="programName">Gives a BPF program's name, or null.</param>
    public LaneSurvey Judge(HostConfiguration host, string fingerprint, Func<FilterTable, FilterChain, FilterRule, string?> textOf, Func<uint, string?> programName)
    {
        var foreign = host.Tables.Where(t => !FirewallRules.IsAgents(t.Family, t.Name) || t.IsLegacy).ToList();
        var conntrack = foreign.Exists(t => t.UsesConntrack)
            || host.Tables.Any(t => FirewallRules.IsAgents(t.Family, t.Name) && t.Chains.Any(c => c.Kind == "nat" && c.Rules.Count > 0));

        // What cannot be read may hold anything.
        var lanes = host.Unreadable.ToList();
        if (Device.Overlay != AddressFamily.InterNetwork || Device.Local.AddressFamily != AddressFamily.InterNetwork)
        {
            lanes.Add("rules and policies for IPv6 are not looked into in this version; the driver carries it");
            return new(lanes, [], [], new Dictionary<int, string>(), conntrack, fingerprint);
        }

        var (tunnelIn, early, shortcut) = (new List<string>(), new List<string>(), new List<string>());
        var overlay = host.Links.FirstOrDefault(l => l.Name == Device.Name);
        var underlay = host.FindLink(Device.UnderlayIndex);
        var containers = Containers.Distinct().Select(host.FindLink).OfType<Link>().ToList();
        var bridges = containers.Select(c => c.MasterIndex).Where(m => m != 0).Distinct().Select(host.FindLink).OfType<Link>();

        var rules = new RuleSurvey(Device, underlay?.Name ?? "", overlay, [.. containers, .. bridges], ShortcutMark);
        var words = new RulePhrases(Device, textOf);
        lanes.AddRange(IpsecSurvey.Outer(Device, host.Policies, host.PolicyDefaults));
        lanes.AddRange(words.Outer(rules.Outward(foreign), outward: true));
        tunnelIn.AddRange(words.Outer(rules.Inward(foreign), outward: false));
        shortcut.AddRange(IpsecSurvey.Inner(Device, host.Policies, host.PolicyDefaults));
        shortcut.AddRange(words.Shortcut(rules.Shortcut(foreign), ShortcutMark));
        shortcut.AddRange(RuleSurvey.Bridges(foreign).Select(b => RulePhrases.Bridge(b.Table, b.Chain)));

        var interfaces = new InterfaceSurvey(host, foreign, OwnPrograms, programName);
        if (underlay is not null)
        {
            if (interfaces.UnderlayForLanes(underlay) is { } egress)
                lanes.Add($"{egress}, and what the lanes send does not come by there; remove it, or leave the overlay to the driver");
            early.AddRange(interfaces.UnderlayForEarly(underlay).Select(r => $"{r}, and would see what lane 3 has decapsulated"));
            tunnelIn.AddRange(interfaces.UnderlayForTunnelIn(underlay).Select(r => $"{r}, and what a program decapsulates does not come by there"));
        }

        if (overlay is not null)
        {
            lanes.AddRange(interfaces.OverlayForLanes(overlay).Select(r => $"{r}, and what a lane takes does not come by there; remove it, or leave the overlay to the driver"));
            if (interfaces.OverlayForShortcut(overlay) is { } passed)
                shortcut.Add($"{passed}, and the shortcut does not come by there; remove it, or do without the shortcut");
        }

        var byInterface = new Dictionary<int, string>();
        foreach (var link in containers)
        {
            if (interfaces.Container(link) is { } reason)
                byInterface[link.Index] = $"{reason}, which the shortcut would pass by";
        }

        return new(lanes, tunnelIn, shortcut, byInterface, conntrack, fingerprint) { EarlyOff = early };
    }
}
