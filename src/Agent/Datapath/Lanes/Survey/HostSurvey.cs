using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>
/// Looks at what others configured on this host and says which lanes would slip past it. Reads the kernel each time; rules only when the
/// kernel says that they are others than before. One caller at a time, always on threads of the same network namespace.
/// </summary>
/// <param name="routes">Used by this thread.</param>
/// <param name="rules">Likewise.</param>
/// <param name="shortcutMark">The bits of connections' marks that are the shortcut's.</param>
public sealed class HostSurvey(RouteSocket routes, HostRules rules, uint shortcutMark) : IDisposable
{
    private NftablesContext? _texts;
    private XfrmSocket? _xfrm;
    private (SurveyJudge Judge, string Everything, LaneSurvey Survey)? _last;
    private readonly Dictionary<(FilterFamily, string Table, string Chain), string[]> _listings = [];

    /// <summary>Looks.</summary>
    /// <param name="device">The overlay as it should be.</param>
    /// <param name="containerInterfaces">ifindexes of the host ends of containers' interfaces.</param>
    /// <param name="ownPrograms">Numbers of our own BPF programs (<see cref="BpfProgram.Id"/>), on whichever interface.</param>
    /// <param name="siblings">Numbers of the programs of other instances on this host: they take nothing but what is of their own VNI and port.</param>
    /// <param name="slot">Where our programs are, or would be, among clsact filters: those of others before it see what they always saw.
    /// Null where ours are on tcx whatever others have, and so before all of them.</param>
    /// <returns>What could not be read is a reason of its own, not an error.</returns>
    public LaneSurvey Look(OverlayDevice device, IReadOnlyCollection<int> containerInterfaces, IReadOnlySet<uint> ownPrograms, IReadOnlySet<uint> siblings, TcFilterSlot? slot = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(containerInterfaces);
        ArgumentNullException.ThrowIfNull(ownPrograms);

        // Copies: a caller may keep its collections and change them.
        var judge = new SurveyJudge(device, [.. containerInterfaces], ownPrograms.ToHashSet()) { ShortcutMark = shortcutMark };
        var unreadable = new List<string>();
        var nftables = Try(unreadable, FilterRules.None, rules.ReadNftables);
        var legacy = Try(unreadable, FilterRules.None, rules.ReadLegacy);
        var (policies, defaults) = Try(unreadable, ([], default), ReadPolicies);
        var host = ReadInterfaces(HostConfiguration.Empty with
        {
            Tables = [.. nftables.Tables, .. legacy.Tables],
            Policies = policies,
            PolicyDefaults = defaults,
            Unreadable = unreadable,
        }, device, containerInterfaces, siblings, slot);

        var digest = nftables.Digest + legacy.Digest;
        // Our own rules among others' are no change for flows, but what they let through is a matter of the survey.
        var everything = Digest(host, digest + rules.PlacesOfOurs(nftables) + rules.PlacesOfOurs(legacy), host.Links);
        if (_last is { } last && last.Everything == everything && Same(last.Judge, judge))
            return last.Survey;
        // Of interfaces only those that all packets pass: a container that comes or goes is no change for the others.
        var fingerprint = Digest(host, digest, host.Links.Where(l => l.Name == device.Name || l.Index == device.UnderlayIndex));
        _listings.Clear();
        var survey = judge.Judge(host, fingerprint, TextOf, TcxQuery.ProgramName) with { ChangesSilently = legacy.Tables.Count > 0 };
        _last = (judge, everything, survey);
        return survey;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _texts?.Dispose();
        _xfrm?.Dispose();
    }

    private static T Try<T>(List<string> unreadable, T otherwise, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is NativeException or NativeLibraryMissingException or IOException or UnauthorizedAccessException)
        {
            unreadable.Add($"what others configured cannot be seen, and may forbid it: {e.Message}");
            return otherwise;
        }
    }

    private static bool Same(SurveyJudge one, SurveyJudge other) =>
        ReferenceEquals(one.Device, other.Device) && one.Containers.SequenceEqual(other.Containers) && one.OwnPrograms.SetEquals(other.OwnPrograms);

    private (IReadOnlyList<XfrmPolicy> Policies, XfrmDefaults Defaults) ReadPolicies()
    {
        _xfrm ??= XfrmSocket.TryOpen();
        return _xfrm is null ? ([], default) : (_xfrm.GetPolicies(), _xfrm.GetDefaults());
    }

    private HostConfiguration ReadInterfaces(HostConfiguration host, OverlayDevice device, IReadOnlyCollection<int> containers, IReadOnlySet<uint> siblings, TcFilterSlot? slot)
    {
        var links = routes.GetLinks();
        var qdiscs = routes.GetQdiscs();
        var relevant = links.Where(l => l.Name == device.Name || l.Index == device.UnderlayIndex || containers.Contains(l.Index)).ToList();
        relevant.AddRange(links.Where(l => relevant.Exists(r => r.MasterIndex == l.Index)).ToList());

        var hooks = qdiscs.Where(q => q.IsHook).Select(q => q.InterfaceIndex).ToHashSet();
        var filtersBeforeOurs = new HashSet<int>();
        var filters = new Dictionary<(int, TcxHook), IReadOnlyList<TrafficFilter>>();
        var programs = new Dictionary<(int, TcxHook), IReadOnlyList<uint>>();
        var unreadable = host.Unreadable.ToList();
        foreach (var index in relevant.Select(l => l.Index).Distinct())
        {
            foreach (var hook in (TcxHook[])[TcxHook.Ingress, TcxHook.Egress])
            {
                if (hooks.Contains(index))
                {
                    var all = routes.GetFilters(index, hook == TcxHook.Ingress ? TrafficFilter.IngressParent : TrafficFilter.EgressParent);
                    // The hooks that lane 1's programs are on.
                    var ours = hook == TcxHook.Ingress ? index == device.UnderlayIndex : links.Any(l => l.Index == index && l.Name == device.Name);
                    if (hook == TcxHook.Ingress && slot is { } ourPlace && all.Any(f => f.Priority < ourPlace.Priority))
                        filtersBeforeOurs.Add(index);
                    filters[(index, hook)] = slot is { } place && ours ? [.. all.Where(f => f.Priority > place.Priority)] : all;
                }

                programs[(index, hook)] = [.. Try(unreadable, [], () => TcxQuery.Programs(index, hook)).Where(p => !siblings.Contains(p))];
            }
        }

        return host with { Links = links, Qdiscs = qdiscs, Filters = filters, Programs = programs, FiltersBeforeOurs = filtersBeforeOurs, Unreadable = [.. unreadable.Distinct()] };
    }

    private static string Digest(HostConfiguration host, string digestOfRules, IEnumerable<Link> links)
    {
        var text = new StringBuilder(digestOfRules).Append('\n');
        foreach (var policy in host.Policies)
            text.Append(policy).Append('\n');
        text.Append(host.PolicyDefaults).Append('\n').AppendJoin('\n', host.Unreadable).Append('\n');
        foreach (var link in links.Where(l => host.Programs.ContainsKey((l.Index, TcxHook.Ingress))))
        {
            text.Append(CultureInfo.InvariantCulture, $"{link.Index} {link.Name} {link.MasterIndex} {link.HasXdp} {host.FiltersBeforeOurs.Contains(link.Index)} ");
            text.AppendJoin(' ', host.Links.Where(l => l.ParentIndex == link.Index && l.Kind == "vlan").Select(l => l.Name)).Append(' ');
            text.AppendJoin(' ', host.Qdiscs.Where(q => q.InterfaceIndex == link.Index).Select(q => q.Kind));
            foreach (var hook in (TcxHook[])[TcxHook.Ingress, TcxHook.Egress])
                text.Append(" / ").AppendJoin(' ', host.FiltersOn(link.Index, hook)).Append(' ').AppendJoin(' ', host.ProgramsOn(link.Index, hook));
            text.Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>A rule as nft prints it; null for one it does not.</summary>
    private string? TextOf(FilterTable table, FilterChain chain, FilterRule rule)
    {
        try
        {
            if (!_listings.TryGetValue((table.Family, table.Name, chain.Name), out var listing))
            {
                _texts ??= NftablesContext.Open();
                listing = _texts.RunWithHandles($"list chain {RulePhrases.Words(table)} {chain.Name}").Split('\n');
                _listings[(table.Family, table.Name, chain.Name)] = listing;
            }

            var end = $" # handle {rule.Handle.ToString(CultureInfo.InvariantCulture)}";
            return Array.Find(listing, l => l.EndsWith(end, StringComparison.Ordinal))?[..^end.Length].Trim();
        }
        catch (Exception e) when (e is NftablesException or NativeException or NativeLibraryMissingException)
        {
            // ignoring: the handle names the rule as well.
            return null;
        }
    }
}
