using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Accelerated.Agent.State;
using Accelerated.Interop.Libbpf.Overlay;
using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// Our nftables table as text: flannel's masquerade and forward rules in meaning, and the guard. One table of our own, replaced in one
/// transaction, so there is never a moment with half of the rules. Pure.
/// </summary>
/// <remarks>
/// The guard's chain runs before defragmentation (priority -400, if connection tracking is in use), so it sees the same packets with and
/// without connection tracking: whole ones and fragments. Of fragments the first shows port and sender; without it nothing is put
/// together again, so judging that one is enough. RFC 791 fragments are multiples of 8 bytes: the UDP header is always in the first, the
/// VNI may not be. A first fragment too short to show the VNI is taken for ours (the rules that read the VNI do not match what is not
/// there); only who forges makes such.
/// </remarks>
public static class FirewallRules
{
    /// <summary>kube-proxy's mark for traffic it masquerades itself.</summary>
    private const string KubeProxyMark = "0x4000";

    /// <summary>The set of senders whose VXLAN is let in.</summary>
    internal const string Vteps = "vteps";

    /// <summary>The guard's counters: why a packet is refused, or would be where the guard only observes.</summary>
    public static ImmutableArray<string> Reasons { get; } = ["unknown_vtep", "not_from_underlay", "forged_source", "fragment"];

    private const string TablePrefix = "accelerated-";

    /// <summary>Name of the table of an agent instance.</summary>
    public static string TableName(string instance) => TablePrefix + instance;

    /// <summary>
    /// Whether a table is that of an agent: ours, or another instance's on this host, whose rules name their own device, port and subnets.
    /// </summary>
    public static bool IsAgents(FilterFamily family, string table) => family == FilterFamily.Inet && table.StartsWith(TablePrefix, StringComparison.Ordinal);

    /// <summary>Behind every chain but conntrack's own (NF_IP_PRI_CONNTRACK_CONFIRM is the largest number there is).</summary>
    private const int LastPriority = int.MaxValue - 1;

    /// <summary>A transaction that leaves exactly these rules, whatever was there.</summary>
    /// <param name="table">Name of the table.</param>
    /// <param name="spec">What the rules must do.</param>
    /// <param name="mark">The proof lane 2 wants, or null.</param>
    /// <param name="counts">What the guard's counters begin with, by reason.</param>
    public static string Replace(string table, FirewallSpec spec, AcceptMark? mark, IReadOnlyDictionary<string, PacketCount> counts)
    {
        var text = new StringBuilder(2048);
        text.Append(CultureInfo.InvariantCulture, $"add table inet {table}\ndelete table inet {table}\n");
        var guards = spec.Guard.Mode != OverlayGuard.Off;
        if (!spec.Masquerade && !spec.AcceptForwarded && !guards && !IsMarking(mark))
            return text.ToString();
        AppendTable(text, table, t =>
        {
            if (guards)
                AppendGuard(t, spec, counts);
            if (spec.AcceptForwarded)
                AppendForward(t, spec);
            if (spec.Masquerade)
                AppendMasquerade(t, spec);
            if (IsMarking(mark))
                AppendAcceptMark(t, spec, mark!);
        });
        return text.ToString();
    }

    /// <summary>
    /// A transaction that turns the rules of <paramref name="before"/> into those of <paramref name="after"/> by adding and taking away
    /// VTEPs and by writing the chains of the accept mark anew; empty if there is nothing to do, null if they differ in anything else.
    /// </summary>
    public static string? Update(string table, (FirewallSpec Spec, AcceptMark? Mark) before, (FirewallSpec Spec, AcceptMark? Mark) after)
    {
        var (spec, mark) = after;
        if (!ReferenceEquals(before.Spec, spec) && Shape(before.Spec) != Shape(spec))
            return null;
        var text = new StringBuilder();
        if (spec.Guard.Mode != OverlayGuard.Off && !ReferenceEquals(before.Spec, spec))
        {
            var (old, now) = (before.Spec.Guard.Vteps.ToHashSet(), spec.Guard.Vteps.ToHashSet());
            Change("add", now.Where(v => !old.Contains(v)));
            Change("delete", old.Where(v => !now.Contains(v)));
        }

        if (IsMarking(before.Mark) ? before.Mark != mark : IsMarking(mark))
        {
            if (IsMarking(before.Mark))
                text.Append(CultureInfo.InvariantCulture, $"flush chain inet {table} accept_mark\nflush chain inet {table} accepted\n");
            if (!IsMarking(mark))
                text.Append(CultureInfo.InvariantCulture, $"delete chain inet {table} accept_mark\ndelete chain inet {table} accepted\n");
            else
                AppendTable(text, table, t => AppendAcceptMark(t, spec, mark!));
        }

        return text.ToString();

        string Shape(FirewallSpec one) => Replace(table, one with { Guard = one.Guard with { Vteps = [] } }, null, ImmutableDictionary<string, PacketCount>.Empty);

        void Change(string verb, IEnumerable<IPAddress> vteps)
        {
            if (string.Join(", ", vteps) is { Length: > 0 } list)
                text.Append(CultureInfo.InvariantCulture, $"{verb} element inet {table} {Vteps} {{ {list} }}\n");
        }
    }

    /// <summary>
    /// The VTEPs that come and go, if that is all that <paramref name="after"/> differs in from <paramref name="before"/>; else null.
    /// </summary>
    public static (IReadOnlyList<IPAddress> Added, IReadOnlyList<IPAddress> Removed)? VtepsOnly((FirewallSpec Spec, AcceptMark? Mark) before, (FirewallSpec Spec, AcceptMark? Mark) after)
    {
        var (old, now) = (before.Spec.Guard, after.Spec.Guard);
        if (now.Mode == OverlayGuard.Off || (before.Mark != after.Mark && (IsMarking(before.Mark) || IsMarking(after.Mark)))
            || before.Spec with { Guard = old with { Vteps = [], Allowed = [] } } != after.Spec with { Guard = now with { Vteps = [], Allowed = [] } }
            || !old.Allowed.SequenceEqual(now.Allowed))
        {
            return null;
        }

        if (old.Vteps == now.Vteps)
            return ([], []);
        var (known, wanted) = (old.Vteps.ToHashSet(), now.Vteps.ToHashSet());
        return ([.. now.Vteps.Where(v => !known.Contains(v))], [.. old.Vteps.Where(v => !wanted.Contains(v))]);
    }

    /// <summary>Without containers there is nothing to mark, and no reason to have connections tracked.</summary>
    private static bool IsMarking(AcceptMark? mark) => mark is { Gateways.IsEmpty: false };

    private static void AppendTable(StringBuilder text, string table, Action<StringBuilder> content)
    {
        text.Append(CultureInfo.InvariantCulture, $"table inet {table} {{\n");
        content(text);
        text.Append("}\n");
    }

    private static void AppendGuard(StringBuilder text, FirewallSpec spec, IReadOnlyDictionary<string, PacketCount> counts)
    {
        var (ip, guard) = (Family(spec), spec.Guard);
        var type = ip == "ip" ? "ipv4" : "ipv6";
        var verdict = guard.Mode == OverlayGuard.Observe ? "return" : "drop";
        text.Append(CultureInfo.InvariantCulture, $$"""
            	set {{Vteps}} {
            		type {{type}}_addr
            {{Elements(guard.Vteps)}}	}
            	set guard_allow {
            		type {{type}}_addr
            		flags interval
            {{Elements(guard.Allowed)}}	}

            """);
        foreach (var reason in Reasons)
        {
            var (packets, bytes) = counts.GetValueOrDefault(reason);
            text.Append(CultureInfo.InvariantCulture, $"\tcounter {reason} {{ packets {packets} bytes {bytes} }}\n");
        }

        // Bits 64 and up of the transport header: the flags of VXLAN, of which 0x08 says that there is a VNI, then the VNI.
        // Not judged: what other hosts send through here (unicast, to no address of ours), and what does not leave by the underlay.
        text.Append(CultureInfo.InvariantCulture, $$"""
            	chain guard {
            		type filter hook prerouting priority raw - 150; policy accept;
            		meta nfproto {{type}} udp dport {{guard.Port}} jump guard_vxlan
            		iifname "{{guard.Device}}" {{ip}} saddr {{spec.Subnet}} counter name forged_source{{(verdict == "drop" ? " drop" : "")}}
            	}
            	chain guard_vxlan {
            		@th,64,8 & 0x08 != 0x08 return
            		@th,96,24 != {{guard.Vni}} return
            {{Fragments(guard.Mode, ip)}}		iif {{guard.UnderlayIndex}} {{ip}} saddr @{{Vteps}} return
            		iif {{guard.UnderlayIndex}} {{ip}} saddr @guard_allow return
            		{{ip}} saddr @guard_allow {{ip}} saddr != {{spec.Network}} fib saddr . iif oif exists return
            		iif {{guard.UnderlayIndex}} fib daddr type unicast return
            		iif {{guard.UnderlayIndex}} counter name unknown_vtep {{verdict}}
            		fib daddr type != unicast counter name not_from_underlay {{verdict}}
            		{{ip}} daddr @{{Vteps}} counter name not_from_underlay {{verdict}}
            		fib daddr oif {{guard.UnderlayIndex}} counter name not_from_underlay {{verdict}}
            	}

            """);
    }

    private static string Elements<T>(ImmutableArray<T> elements) => elements.IsEmpty ? "" : $"\t\telements = {{ {string.Join(", ", elements)} }}\n";

    private static string Fragments(OverlayGuard mode, string ip)
    {
        if (mode != OverlayGuard.Strict)
            return "";
        var isFragment = ip == "ip" ? "ip frag-off & 0x2000 != 0" : "frag more-fragments 1";
        return $"\t\t{isFragment} fib daddr type != unicast counter name fragment drop\n";
    }

    private static void AppendForward(StringBuilder text, FirewallSpec spec)
    {
        var (ip, network) = (Family(spec), spec.Network);
        text.Append(CultureInfo.InvariantCulture, $$"""
            	chain forward {
            		type filter hook forward priority filter; policy accept;
            		{{ip}} saddr {{network}} accept
            		{{ip}} daddr {{network}} accept
            	}

            """);
    }

    private static void AppendMasquerade(StringBuilder text, FirewallSpec spec)
    {
        var (ip, network, subnet) = (Family(spec), spec.Network, spec.Subnet);
        var multicast = spec.Network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? "224.0.0.0/4" : "ff00::/8";
        var random = spec.FullyRandom ? " fully-random" : "";
        text.Append(CultureInfo.InvariantCulture, $$"""
            	chain postrouting {
            		type nat hook postrouting priority srcnat; policy accept;
            		meta mark & {{KubeProxyMark}} == {{KubeProxyMark}} return
            		{{ip}} saddr {{subnet}} {{ip}} daddr {{network}} return
            		{{ip}} saddr {{network}} {{ip}} daddr {{subnet}} return
            		{{ip}} saddr != {{network}} {{ip}} daddr {{subnet}} return
            		{{ip}} saddr {{network}} {{ip}} daddr != {{multicast}} masquerade{{random}}
            		{{ip}} saddr != {{network}} {{ip}} daddr {{network}} masquerade{{random}}
            	}

            """);
    }

    /// <summary>
    /// Only what all other rules have let through and the routing has sent the usual way comes here: from a container into the overlay, or
    /// the other way round.
    /// </summary>
    private static void AppendAcceptMark(StringBuilder text, FirewallSpec spec, AcceptMark mark)
    {
        var (ip, network, subnet) = (Family(spec), spec.Network, spec.Subnet);
        var gateways = string.Join(", ", mark.Gateways.Select(g => $"\"{g}\""));
        text.Append(CultureInfo.InvariantCulture, $$"""
            	chain accept_mark {
            		type filter hook postrouting priority {{LastPriority}}; policy accept;
            		meta l4proto != { tcp, udp } return
            		oifname "{{mark.Device}}" iifname { {{gateways}} } {{ip}} saddr {{subnet}} {{ip}} daddr {{network}} goto accepted
            		iifname "{{mark.Device}}" oifname { {{gateways}} } {{ip}} saddr {{network}} {{ip}} daddr {{subnet}} goto accepted
            	}
            	chain accepted {
            {{Direction("original", mark, mark.OriginalBit)}}
            {{Direction("reply", mark, mark.ReplyBit)}}
            	}

            """);
    }

    /// <summary>Adds a direction's bit to a mark of this generation, and begins a new mark otherwise.</summary>
    private static string Direction(string direction, AcceptMark mark, uint bit)
    {
        var (mask, value) = (mark.GenerationMask, mark.GenerationValue);
        return string.Create(CultureInfo.InvariantCulture, $"""
            		ct direction {direction} ct mark & 0x{mask | bit:x8} == 0x{value | bit:x8} return
            		ct direction {direction} ct mark & 0x{mask:x8} == 0x{value:x8} ct mark set ct mark | 0x{bit:x8} return
            		ct direction {direction} ct mark set ct mark & 0x{~mark.Mask:x8} | 0x{value | bit:x8} return
            """);
    }

    private static string Family(FirewallSpec spec) => spec.Network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? "ip" : "ip6";
}
