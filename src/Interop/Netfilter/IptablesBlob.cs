using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Netfilter;

/// <summary>
/// The rules of one legacy table as the kernel gives them: entries one after the other, jumps as offsets (linux/netfilter_ipv4/ip_tables.h).
/// </summary>
internal static class IptablesBlob
{
    private const int EntryLength = 112;
    private const int TargetOffset = 88;
    private const int CountersOffset = 96;
    private const int ExtensionHeader = 32;
    private const int ExtensionName = 2;
    private const int ExtensionNameLength = 29;
    private const int ExtensionRevision = 31;

    private static readonly FilterHook[] Hooks = [FilterHook.Prerouting, FilterHook.Input, FilterHook.Forward, FilterHook.Output, FilterHook.Postrouting];

    internal static FilterTable Decode(string name, in IptablesInfo info, byte[] blob)
    {
        var starts = ChainStarts(info, blob);
        var chains = new List<FilterChain>();
        var tracks = false;
        foreach (var (start, (chain, hook)) in starts)
        {
            var rules = new List<FilterRule>();
            var policy = hook == FilterHook.None ? -1 : (int)info.underflow[Array.IndexOf(Hooks, hook)];
            var drops = false;

            // A user chain begins behind the entry with its name and ends with a RETURN of its own; a base chain ends with its policy.
            var at = hook == FilterHook.None ? Next(blob, start) : start;
            for (; at < blob.Length; at = Next(blob, at))
            {
                if (at != start && starts.ContainsKey(at))
                    break;
                if (IsChainHead(blob, at, out _))
                    break;
                var steps = Steps(blob, at, starts, ref tracks, out var comment);
                if (at == policy)
                {
                    drops = steps is [VerdictStep { Verdict.Kind: VerdictKind.Drop }];
                    break;
                }

                rules.Add(new((ulong)rules.Count + 1, steps) { Comment = comment });
            }

            // A packet that the mangle table marks on its way out is routed anew, which nftables calls a route chain.
            var kind = name == "nat" ? "nat" : hook == FilterHook.None ? "" : (name, hook) == ("mangle", FilterHook.Output) ? "route" : "filter";
            chains.Add(new(chain, hook, kind, drops, [], rules));
        }

        return new(FilterFamily.IPv4, name, IsLegacy: true, tracks, chains);
    }

    /// <summary>What two readings of the same rules have in common: not the counters, and not the rules with a certain comment.</summary>
    internal static byte[] Normalize(byte[] blob, string? ownComment)
    {
        var own = OwnEntries(blob, ownComment);
        var kept = new byte[blob.Length - own.Values.Sum()];
        var end = 0;
        for (var at = 0; at < blob.Length; at = Next(blob, at))
        {
            if (own.ContainsKey(at))
                continue;
            var entry = kept.AsSpan(end, Next(blob, at) - at);
            blob.AsSpan(at, entry.Length).CopyTo(entry);
            entry.Slice(CountersOffset, 16).Clear();
            // A jump says how far its aim is from the table's beginning.
            var target = U16(blob, at + TargetOffset);
            if (own.Count > 0 && blob[at + target + ExtensionName] == 0 && MemoryMarshal.Read<int>(entry[(target + ExtensionHeader)..]) is >= 0 and var aim)
                MemoryMarshal.Write(entry[(target + ExtensionHeader)..], aim - own.Where(o => o.Key < aim).Sum(o => o.Value));
            end += entry.Length;
        }

        return kept;
    }

    /// <summary>Where there are rules with a comment, and their lengths in bytes.</summary>
    private static Dictionary<int, int> OwnEntries(byte[] blob, string? comment)
    {
        var own = new Dictionary<int, int>();
        if (comment is null || blob.AsSpan().IndexOf(Encoding.UTF8.GetBytes(comment)) < 0)
            return own;
        for (var at = 0; at < blob.Length; at = Next(blob, at))
        {
            if (CommentOf(blob, at) == comment)
                own[at] = Next(blob, at) - at;
        }

        return own;
    }

    private static string? CommentOf(byte[] blob, int at)
    {
        var target = at + U16(blob, at + TargetOffset);
        for (var match = at + EntryLength; match < target; match += U16(blob, match))
        {
            var name = ExtensionText(blob, match + ExtensionName, ExtensionNameLength);
            if (XtablesExtensions.Comment(name, blob.AsSpan(match + ExtensionHeader, U16(blob, match) - ExtensionHeader)) is { } comment)
                return comment;
        }

        return null;
    }

    private static SortedDictionary<int, (string Name, FilterHook Hook)> ChainStarts(in IptablesInfo info, byte[] blob)
    {
        var starts = new SortedDictionary<int, (string, FilterHook)>();
        for (var i = 0; i < Hooks.Length; i++)
        {
            if ((info.valid_hooks >> i & 1) != 0)
                starts[(int)info.hook_entry[i]] = (Hooks[i].ToString().ToUpper(CultureInfo.InvariantCulture), Hooks[i]);
        }

        for (var at = 0; at < blob.Length; at = Next(blob, at))
        {
            // The last entry is one without a chain: the end of the table.
            if (IsChainHead(blob, at, out var name) && Next(blob, at) < blob.Length)
                starts[at] = (name, FilterHook.None);
        }

        return starts;
    }

    private static bool IsChainHead(byte[] blob, int at, out string name)
    {
        var target = at + U16(blob, at + TargetOffset);
        var isHead = ExtensionText(blob, target + ExtensionName, ExtensionNameLength) == "ERROR";
        name = isHead ? ExtensionText(blob, target + ExtensionHeader, 30) : "";
        return isHead;
    }

    private static List<RuleStep> Steps(byte[] blob, int at, SortedDictionary<int, (string Name, FilterHook Hook)> starts, ref bool tracks, out string? comment)
    {
        comment = CommentOf(blob, at);
        var steps = new List<RuleStep>();
        AddHeader(steps, blob.AsSpan(at, EntryLength));
        var target = at + U16(blob, at + TargetOffset);
        for (var match = at + EntryLength; match < target; match += U16(blob, match))
        {
            var name = ExtensionText(blob, match + ExtensionName, ExtensionNameLength);
            tracks |= XtablesExtensions.UsesConntrack(name);
            steps.AddRange(XtablesExtensions.Match(name, blob[match + ExtensionRevision], blob.AsSpan(match + ExtensionHeader, U16(blob, match) - ExtensionHeader)));
        }

        var action = ExtensionText(blob, target + ExtensionName, ExtensionNameLength);
        if (action.Length > 0)
        {
            tracks |= XtablesExtensions.UsesConntrack(action);
            steps.AddRange(XtablesExtensions.Target(action, blob[target + ExtensionRevision], blob.AsSpan(target + ExtensionHeader, U16(blob, target) - ExtensionHeader)));
            return steps;
        }

        // Negative: a verdict. Otherwise where to go on: at a chain, or, for a rule without a target, at the next entry.
        var code = MemoryMarshal.Read<int>(blob.AsSpan(target + ExtensionHeader));
        const int Accept = -2, Drop = -1, Return = -5;
        var isGoto = (blob[at + 82] & 2) != 0;
        if (code < 0)
            steps.Add(new VerdictStep(new(code switch { Accept => VerdictKind.Accept, Drop => VerdictKind.Drop, Return => VerdictKind.Return, _ => VerdictKind.Queue })));
        else if (code != Next(blob, at))
            steps.Add(new VerdictStep(new(isGoto ? VerdictKind.Goto : VerdictKind.Jump, ChainAt(blob, code, starts))));
        return steps;
    }

    // A jump leads to the entry behind the one with the chain's name.
    private static string ChainAt(byte[] blob, int code, SortedDictionary<int, (string Name, FilterHook Hook)> starts)
    {
        foreach (var (start, (name, hook)) in starts)
        {
            if (hook == FilterHook.None && Next(blob, start) == code)
                return name;
        }

        throw NetlinkException.Malformed($"a jump of iptables to {code}");
    }

    // struct ipt_ip: src, dst, smsk, dmsk, iniface[16], outiface[16], masks of both, proto, flags, invflags.
    private static void AddHeader(List<RuleStep> steps, ReadOnlySpan<byte> header)
    {
        const int In = 1, Out = 2, Source = 8, Destination = 0x10, Fragment = 0x20, Protocol = 0x40;
        var inverted = header[83];
        AddAddress(steps, PacketField.Source, header[..4], header[8..12], (inverted & Source) != 0);
        AddAddress(steps, PacketField.Destination, header[4..8], header[12..16], (inverted & Destination) != 0);
        AddName(steps, PacketField.InputName, header[16..32], header[48..64], (inverted & In) != 0);
        AddName(steps, PacketField.OutputName, header[32..48], header[64..80], (inverted & Out) != 0);
        var protocol = MemoryMarshal.Read<ushort>(header[80..]);
        if (protocol != 0)
            steps.Add(MatchStep.One(PacketField.Protocol, protocol, protocol, (inverted & Protocol) != 0));

        // -f: only fragments. Nothing here looks at packets that are fragments.
        if ((header[82] & 1) != 0 && (inverted & Fragment) == 0)
            steps.Add(MatchStep.Never);
    }

    private static void AddAddress(List<RuleStep> steps, PacketField field, ReadOnlySpan<byte> address, ReadOnlySpan<byte> mask, bool negated)
    {
        var (value, kept) = ((uint)Number(address), (uint)Number(mask));
        if (kept == 0 && !negated)
            return;
        steps.Add((~kept & (~kept + 1)) == 0
            ? MatchStep.One(field, value, value | ~kept, negated)
            : MatchStep.Masked(field, kept, value, negated));
    }

    private static void AddName(List<RuleStep> steps, PacketField field, ReadOnlySpan<byte> name, ReadOnlySpan<byte> mask, bool negated)
    {
        var length = mask.LastIndexOfAnyExcept((byte)0) + 1;
        if (length == 0)
            return;
        var low = Number(name);
        var below = length == 16 ? 0 : (UInt128.One << (8 * (16 - length))) - 1;
        steps.Add(MatchStep.One(field, low, low | below, negated));
    }

    private static UInt128 Number(ReadOnlySpan<byte> bytes)
    {
        UInt128 value = 0;
        foreach (var b in bytes)
            value = value << 8 | b;
        return value;
    }

    private static int Next(byte[] blob, int at)
    {
        var length = U16(blob, at + 90);
        return length >= EntryLength ? at + length : throw NetlinkException.Malformed($"an entry of iptables of {length} bytes");
    }

    private static ushort U16(byte[] blob, int at) => NetlinkReader.Struct<ushort>(blob.AsSpan(at));

    private static string ExtensionText(byte[] blob, int at, int length)
    {
        var text = blob.AsSpan(at, length);
        var end = text.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? text : text[..end]);
    }
}
