using System.Text;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Netfilter;

/// <summary>
/// The matches and targets of x_tables in our terms. iptables-nft puts them into nftables rules byte for byte, so both kinds of rules come
/// by here. What is not known is taken for something that has to see every packet.
/// </summary>
internal static class XtablesExtensions
{
    private static readonly HashSet<string> Tracking = new(StringComparer.Ordinal)
    {
        "conntrack", "state", "connmark", "connbytes", "connlimit", "connlabel", "helper", "cluster",
        "SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "CONNMARK", "CONNSECMARK", "SYNPROXY",
    };

    // nfacct and comment match every packet; the former counts it.
    private static readonly HashSet<string> NeutralMatches = new(StringComparer.Ordinal) { "comment", "nfacct" };

    private static readonly HashSet<string> ConstantMatches = new(StringComparer.Ordinal)
    {
        "physdev", "iprange", "connlabel", "helper", "policy", "realm", "devgroup", "cluster",
        // Of other protocols than TCP and UDP.
        "icmp", "icmp6", "sctp", "dccp", "esp", "ah", "ipcomp", "l2tp",
    };

    private static readonly HashSet<string> NeutralTargets = new(StringComparer.Ordinal)
    {
        "MARK", "CONNMARK", "SECMARK", "CONNSECMARK", "HMARK", "SNAT", "DNAT", "MASQUERADE", "REDIRECT", "NETMAP", "NOTRACK", "CT",
    };

    // They look at a packet and let it go as it is.
    private static readonly HashSet<string> ObservingTargets = new(StringComparer.Ordinal)
    {
        "LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "RATEEST", "SET", "LED", "IDLETIMER", "ACCOUNT",
    };

    /// <summary>Whether an extension makes the kernel track connections.</summary>
    internal static bool UsesConntrack(string name) => Tracking.Contains(name);

    /// <summary>The text of <c>-m comment</c>: struct xt_comment_info, 256 characters; null for another match.</summary>
    internal static string? Comment(string name, ReadOnlySpan<byte> data)
    {
        if (name != "comment")
            return null;
        var end = data.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? data : data[..end]);
    }

    /// <summary>A match (<c>-m NAME</c>) as steps.</summary>
    internal static IEnumerable<RuleStep> Match(string name, uint revision, ReadOnlySpan<byte> data) => (name, revision) switch
    {
        ("tcp", 0) => Tcp(data),
        ("udp", 0) => [.. Ports(data, data[8])],
        ("multiport", 1) => [Multiport(data)],
        ("conntrack", >= 1 and <= 3) => Conntrack(data, revision),
        ("state", 0) => [States(U32(data, 0), negated: false, untracked: 1 << 6)],
        ("mark", 1) => [MatchStep.Masked(PacketField.Mark, U32(data, 4), U32(data, 0), data[8] != 0)],
        // struct xt_connmark_mtinfo1: mark, mask, invert.
        ("connmark", 1) => [MatchStep.Masked(PacketField.ConntrackMark, U32(data, 4), U32(data, 0), data[8] != 0)],
        ("connmark", _) => [MatchStep.Reads(new(PacketField.ConntrackMark))],
        ("addrtype", 0 or 1) => AddressTypes(data, revision),
        ("rpfilter", 0) => [MatchStep.One(PacketField.ReversePath, 1, UInt128.MaxValue, negated: (data[0] & 8) != 0)],
        ("owner" or "cgroup", _) => [new MatchStep([new(PacketField.SocketOwner)], [new([ValueRange.Any])], Negated: false)],
        ("set", _) => [new OpaqueStep("-m set (changes of an ipset are not announced)", StepNature.EveryPacket)],
        _ when NeutralMatches.Contains(name) => [new OpaqueStep($"-m {name}", StepNature.Neutral)],
        _ when ConstantMatches.Contains(name) => [new OpaqueStep($"-m {name}", StepNature.Constant)],
        _ => [new OpaqueStep($"-m {name}", StepNature.EveryPacket)],
    };

    /// <summary>A target (<c>-j NAME</c>) that is none of the built-in verdicts.</summary>
    internal static IEnumerable<RuleStep> Target(string name, uint revision, ReadOnlySpan<byte> data) =>
        name == "REJECT" ? [new VerdictStep(new(VerdictKind.Drop))]
        : name == "NFQUEUE" ? [new VerdictStep(new(VerdictKind.Queue))]
        : [.. name == "CONNMARK" ? ConnectionMark(revision, data) : [], new OpaqueStep(
            $"-j {name}",
            NeutralTargets.Contains(name) ? StepNature.Neutral : ObservingTargets.Contains(name) ? StepNature.EveryPacket : StepNature.Alters)];

    // struct xt_connmark_tginfo1: ctmark, ctmask, nfmask, mode (set, save, restore); tginfo2 has two bytes for a shift before the mode.
    // To restore is to give the packet the bits of ctmask.
    private static MatchStep[] ConnectionMark(uint revision, ReadOnlySpan<byte> data)
    {
        const int Restore = 2;
        return revision is not (1 or 2) ? [MatchStep.Reads(new(PacketField.ConntrackMark))]
            : data[revision == 2 ? 14 : 12] == Restore ? [MatchStep.Reads(new(PacketField.ConntrackMark, U32(data, 4)))]
            : [];
    }

    // struct xt_tcp: spts[2], dpts[2], option, flg_mask, flg_cmp, invflags.
    private static List<RuleStep> Tcp(ReadOnlySpan<byte> data)
    {
        var inverted = data[11];
        var steps = Ports(data, inverted);
        if (data[9] != 0)
            steps.Add(MatchStep.Masked(PacketField.TcpFlags, data[9], data[10], (inverted & 4) != 0));
        if (data[8] != 0)
            steps.Add(new OpaqueStep("--tcp-option", StepNature.EveryPacket));
        return steps;
    }

    // Both xt_tcp and xt_udp begin with spts[2], dpts[2]; bits 0 and 1 of invflags turn them round.
    private static List<RuleStep> Ports(ReadOnlySpan<byte> data, byte inverted)
    {
        var steps = new List<RuleStep>();
        Add(PacketField.SourcePort, U16(data, 0), U16(data, 2), (inverted & 1) != 0);
        Add(PacketField.DestinationPort, U16(data, 4), U16(data, 6), (inverted & 2) != 0);
        return steps;

        void Add(PacketField field, ushort low, ushort high, bool negated)
        {
            if (low != 0 || high != ushort.MaxValue || negated)
                steps.Add(MatchStep.One(field, low, high, negated));
        }
    }

    // struct xt_multiport_v1: flags, count, ports[15], pflags[15], invert.
    private static RuleStep Multiport(ReadOnlySpan<byte> data)
    {
        var elements = new List<FieldElement>();
        for (var i = 0; i < Math.Min(data[1], (byte)15); i++)
        {
            var low = U16(data, 2 + (2 * i));
            var isRange = data[32 + i] != 0 && i < 14;
            elements.Add(new([new ValueRange(low, isRange ? U16(data, 2 + (2 * ++i)) : low)]));
        }

        var negated = data[47] != 0;
        return data[0] switch
        {
            0 => new MatchStep([new(PacketField.SourcePort)], elements, negated),
            1 => new MatchStep([new(PacketField.DestinationPort)], elements, negated),
            _ => new OpaqueStep("-m multiport --ports", StepNature.Constant),
        };
    }

    // struct xt_conntrack_mtinfo1…3: eight addresses, expires[2], l4proto, four ports, match_flags, invert_flags, state_mask, status_mask.
    private static List<RuleStep> Conntrack(ReadOnlySpan<byte> data, uint revision)
    {
        const int State = 1, Expires = 1 << 7, StateAlias = 1 << 13;
        var flags = U16(data, 146);
        var steps = new List<RuleStep>();
        if ((flags & State) != 0)
            steps.Add(States(revision == 1 ? data[150] : U16(data, 150), (U16(data, 148) & State) != 0, untracked: 1 << 8));
        if ((flags & Expires) != 0)
            steps.Add(new OpaqueStep("-m conntrack --ctexpire", StepNature.EveryPacket));
        if ((flags & ~(State | Expires | StateAlias)) != 0)
            steps.Add(new OpaqueStep("-m conntrack", StepNature.Constant));
        return steps;
    }

    // The low bits are nftables' own. Bits for SNAT and DNAT are left out: they ask for translated connections, which the states here are not.
    private static MatchStep States(uint mask, bool negated, uint untracked)
    {
        var states = (mask & (ConntrackStates.Invalid | ConntrackStates.Established | ConntrackStates.Related | ConntrackStates.New))
            | ((mask & untracked) != 0 ? ConntrackStates.Untracked : 0u);
        return MatchStep.Masked(PacketField.ConntrackState, states, 0, !negated);
    }

    // struct xt_addrtype_info: source, dest, then whether each is inverted (two words, or two bits of one).
    private static List<RuleStep> AddressTypes(ReadOnlySpan<byte> data, uint revision)
    {
        var steps = new List<RuleStep>();
        Add(PacketField.SourceKind, U16(data, 0), revision == 0 ? U32(data, 4) != 0 : (U32(data, 4) & 1) != 0);
        Add(PacketField.DestinationKind, U16(data, 2), revision == 0 ? U32(data, 8) != 0 : (U32(data, 4) & 2) != 0);
        return steps;

        void Add(PacketField field, ushort kinds, bool negated)
        {
            if (kinds == 0)
                return;
            var elements = Enumerable.Range(0, 16).Where(k => (kinds >> k & 1) != 0).Select(k => new FieldElement([new((uint)k, (uint)k)]));
            steps.Add(new MatchStep([new(field)], [.. elements], negated));
        }
    }

    private static ushort U16(ReadOnlySpan<byte> data, int offset) => NetlinkReader.Struct<ushort>(data[offset..]);

    private static uint U32(ReadOnlySpan<byte> data, int offset) => NetlinkReader.Struct<uint>(data[offset..]);
}
