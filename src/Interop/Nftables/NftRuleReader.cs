using System.Globalization;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Nftables;

/// <summary>
/// Turns the expressions of one nftables rule, instructions of a small machine with registers, into steps. Works on what the kernel holds,
/// which is the same whatever version of nft or iptables-nft wrote it.
/// </summary>
internal sealed class NftRuleReader(FilterFamily family, Func<string, NftSet?> findSet)
{
    private static readonly OpaqueStep Unreadable = new("an expression nobody here knows", StepNature.EveryPacket);

    private readonly NftRegisters _registers = new();
    private readonly List<RuleStep> _steps = [];

    /// <summary>Whether the rule makes the kernel track connections.</summary>
    internal bool UsesConntrack { get; private set; }

    /// <summary>The comment that iptables-nft keeps as a match; null for none.</summary>
    internal string? Comment { get; private set; }

    /// <summary>Reads the list of expressions of a rule.</summary>
    internal IReadOnlyList<RuleStep> Read(AttributeReader expressions)
    {
        while (expressions.TryRead(out var element))
        {
            var name = "";
            var data = default(NetlinkAttribute);
            var parts = element.Nested();
            while (parts.TryRead(out var part))
            {
                if (part.Type == Nft.NFTA_EXPR_NAME)
                    name = part.Text();
                else if (part.Type == Nft.NFTA_EXPR_DATA)
                    data = part;
            }

            Read(name, new NftAttributes(data));
        }

        return _steps;
    }

    private void Read(string name, NftAttributes data)
    {
        UsesConntrack |= name is "ct" or "nat" or "masq" or "redir" or "connlimit" or "flow_offload" or "synproxy";
        switch (name)
        {
            case "payload":
                ReadPayload(data);
                break;
            case "meta":
                ReadMeta(data);
                break;
            case "ct":
                ReadConntrack(data);
                break;
            case "fib":
                ReadFib(data);
                break;
            case "socket":
                _registers.Load(data.U32(2), Field(data.U32(1) == 3 ? PacketField.SocketOwner : PacketField.Other, 4));
                if (data.U32(1) != 3)
                    EveryPacket("socket");
                break;
            case "cmp":
                ReadComparison(data);
                break;
            case "range":
                ReadRange(data);
                break;
            case "bitwise":
                ReadBitwise(data);
                break;
            case "byteorder":
                var turned = _registers[data.U32(Nft.NFTA_BYTEORDER_SREG)].Select(s => s with { HostOrder = false });
                _registers.Load(data.U32(Nft.NFTA_BYTEORDER_DREG), [.. turned]);
                break;
            case "lookup":
                ReadLookup(data);
                break;
            case "immediate":
                if (data.U32(Nft.NFTA_IMMEDIATE_DREG) != Nft.NFT_REG_VERDICT)
                    _registers.Load(data.U32(Nft.NFTA_IMMEDIATE_DREG), NftRegisters.Unknown(16));
                else
                    _steps.Add(new VerdictStep(data.Verdict(Nft.NFTA_IMMEDIATE_DATA)));
                break;
            case "match":
                var match = data.Text(Nft.NFTA_COMPAT_NAME);
                UsesConntrack |= XtablesExtensions.UsesConntrack(match);
                Comment ??= XtablesExtensions.Comment(match, data.Bytes(Nft.NFTA_COMPAT_INFO));
                _steps.AddRange(XtablesExtensions.Match(match, data.U32(Nft.NFTA_COMPAT_REV), data.Bytes(Nft.NFTA_COMPAT_INFO)));
                break;
            case "target":
                var target = data.Text(Nft.NFTA_COMPAT_NAME);
                UsesConntrack |= XtablesExtensions.UsesConntrack(target);
                _steps.AddRange(XtablesExtensions.Target(target, data.U32(Nft.NFTA_COMPAT_REV), data.Bytes(Nft.NFTA_COMPAT_INFO)));
                break;
            case "objref":
                ReadObject(data);
                break;
            case "reject":
                _steps.Add(new VerdictStep(new(VerdictKind.Drop)));
                break;
            case "queue":
                _steps.Add(new VerdictStep(new(VerdictKind.Queue)));
                break;
            case "counter" or "last" or "nat" or "masq" or "redir" or "notrack":
                _steps.Add(new OpaqueStep(name, StepNature.Neutral));
                break;
            case "rt" or "xfrm" or "hash":
                _registers.Forget();
                _steps.Add(new OpaqueStep(name, StepNature.Constant));
                break;
            case "limit" or "quota" or "connlimit" or "log" or "numgen" or "osf" or "tunnel" or "exthdr" or "inner":
                _registers.Forget();
                EveryPacket(name == "connlimit" ? "ct count" : name);
                break;
            case "dynset":
                EveryPacket("add or update of a set");
                break;
            case "flow_offload":
                EveryPacket("flow add");
                break;
            case "dup" or "fwd" or "tproxy" or "synproxy":
                _steps.Add(new OpaqueStep(name, StepNature.Alters));
                break;
            default:
                _registers.Forget();
                _steps.Add(Unreadable with { Name = $"{name}, an expression nobody here knows" });
                break;
        }
    }

    private void EveryPacket(string name) => _steps.Add(new OpaqueStep(name, StepNature.EveryPacket));

    private static NftSegment Field(PacketField field, int length, bool hostOrder = true) => new(field, length, 0, length, hostOrder);

    private void ReadPayload(NftAttributes data)
    {
        var (header, offset, length) = ((int)data.U32(Nft.NFTA_PAYLOAD_BASE), (int)data.U32(Nft.NFTA_PAYLOAD_OFFSET), (int)data.U32(Nft.NFTA_PAYLOAD_LEN));
        if (data.Has(Nft.NFTA_PAYLOAD_SREG))
        {
            _steps.Add(new OpaqueStep("a change of the packet", StepNature.Alters));
            return;
        }

        var segments = new List<NftSegment>();
        for (var at = offset; at < offset + length;)
        {
            var (field, start, size, name) = PacketHeaders.At(family, header, at);
            var taken = Math.Min(start + size, offset + length) - at;
            segments.Add(new(field, size, at - start, taken, HostOrder: false, EveryPacket: name));
            at += taken;
        }

        _registers.Load(data.U32(Nft.NFTA_PAYLOAD_DREG), [.. segments]);
    }

    private void ReadMeta(NftAttributes data)
    {
        var key = (NftMetaKey)data.U32(Nft.NFTA_META_KEY);
        if (data.Has(Nft.NFTA_META_SREG))
        {
            AddEveryPacket(_registers[data.U32(Nft.NFTA_META_SREG)]);
            AddReads(_registers[data.U32(Nft.NFTA_META_SREG)]);
            _steps.Add(new OpaqueStep($"meta {Words(key)} set", key is NftMetaKey.Mark or NftMetaKey.Secmark ? StepNature.Neutral : StepNature.Alters));
            return;
        }

        var content = key switch
        {
            NftMetaKey.L4Protocol => Field(PacketField.Protocol, 1),
            NftMetaKey.NfProtocol => Field(PacketField.Family, 1),
            NftMetaKey.Protocol => Field(PacketField.EtherType, 2, hostOrder: false),
            NftMetaKey.Mark => Field(PacketField.Mark, 4),
            NftMetaKey.Iif => Field(PacketField.InputIndex, 4),
            NftMetaKey.Oif => Field(PacketField.OutputIndex, 4),
            NftMetaKey.IifName => Field(PacketField.InputName, 16, hostOrder: false),
            NftMetaKey.OifName => Field(PacketField.OutputName, 16, hostOrder: false),
            NftMetaKey.PacketType => Field(PacketField.PacketType, 1),
            NftMetaKey.SocketUser or NftMetaKey.SocketGroup or NftMetaKey.ControlGroup => Field(PacketField.SocketOwner, 4),
            _ => Field(PacketField.Other, 16),
        };
        if (key is NftMetaKey.Length or NftMetaKey.Priority or NftMetaKey.Trace or NftMetaKey.Cpu or NftMetaKey.Random
            or NftMetaKey.Time or NftMetaKey.Day or NftMetaKey.Hour or > NftMetaKey.LastKnown)
            EveryPacket($"meta {Words(key)}");
        _registers.Load(data.U32(Nft.NFTA_META_DREG), content);
    }

    private void ReadConntrack(NftAttributes data)
    {
        var key = (NftConntrackKey)data.U32(Nft.NFTA_CT_KEY);
        if (data.Has(Nft.NFTA_CT_SREG))
        {
            _steps.Add(new OpaqueStep($"ct {Words(key)} set", StepNature.Neutral));
            return;
        }

        if (key is NftConntrackKey.Expiration or NftConntrackKey.Packets or NftConntrackKey.Bytes or NftConntrackKey.Average or > NftConntrackKey.LastKnown)
            EveryPacket($"ct {Words(key)}");
        _registers.Load(data.U32(Nft.NFTA_CT_DREG), key switch
        {
            NftConntrackKey.State => Field(PacketField.ConntrackState, 4),
            NftConntrackKey.Mark => Field(PacketField.ConntrackMark, 4),
            _ => Field(PacketField.Other, 16),
        });
    }

    private void ReadFib(NftAttributes data)
    {
        const uint Source = 1, Destination = 2, AddressKind = 3;
        var (result, flags) = (data.U32(Nft.NFTA_FIB_RESULT), data.U32(Nft.NFTA_FIB_FLAGS));
        var field = (flags & (Source | Destination), result) switch
        {
            (Source, AddressKind) => PacketField.SourceKind,
            (Destination, AddressKind) => PacketField.DestinationKind,
            (Source, _) => PacketField.ReversePath,
            _ => PacketField.Other,
        };
        _registers.Load(data.U32(Nft.NFTA_FIB_DREG), Field(field, result == 2 ? 16 : 4, hostOrder: result != 2));
    }

    private void ReadComparison(NftAttributes data)
    {
        var content = _registers[data.U32(Nft.NFTA_CMP_SREG)];
        var value = data.Value(Nft.NFTA_CMP_DATA);
        var (segments, values) = NftRegisters.Split(content, value, value);
        var operation = data.U32(Nft.NFTA_CMP_OP);
        if (operation <= 1)
        {
            AddComparison(segments, values, negated: operation == 1);
            return;
        }

        AddEveryPacket(segments);
        AddReads(segments);

        // Less and greater are comparisons of bytes: numbers only if they lie in the network's order.
        if (segments is not [{ HostOrder: false, Mask: null, Offset: 0, Field: not PacketField.Other } only])
        {
            _steps.Add(new OpaqueStep("a comparison", StepNature.Constant));
            return;
        }

        var (low, high) = (values[0].Low, values[0].High);
        _steps.Add(operation switch
        {
            2 => low == 0 ? MatchStep.Never : MatchStep.One(only.Field, 0, low - 1),
            3 => MatchStep.One(only.Field, 0, high),
            4 => high == UInt128.MaxValue ? MatchStep.Never : MatchStep.One(only.Field, high + 1, UInt128.MaxValue),
            _ => MatchStep.One(only.Field, low, UInt128.MaxValue),
        });
    }

    private void ReadRange(NftAttributes data)
    {
        var content = _registers[data.U32(Nft.NFTA_RANGE_SREG)];
        var (segments, values) = NftRegisters.Split(content, data.Value(Nft.NFTA_RANGE_FROM_DATA), data.Value(Nft.NFTA_RANGE_TO_DATA));
        if (segments is [{ HostOrder: false }])
            AddComparison(segments, values, data.U32(Nft.NFTA_RANGE_OP) == 1);
        else
        {
            AddReads(segments);
            _steps.Add(new OpaqueStep("a range", StepNature.Constant));
        }
    }

    private void AddComparison(List<NftSegment> segments, List<ValueRange> values, bool negated) =>
        AddMatch(segments, new MatchStep([.. segments.Select(s => s.Key)], [new FieldElement(values)], negated));

    // nft reads neighbouring fields at once, whatever they are: one that a flow has only counts for packets that the others let through.
    private void AddMatch(IReadOnlyCollection<NftSegment> segments, MatchStep match)
    {
        if (match.Negated)
            AddEveryPacket(segments);
        _steps.Add(match);
        if (!match.Negated)
            AddEveryPacket(segments);
    }

    // What becomes of the connection's mark has to be known even where the rule is not understood.
    private void AddReads(IEnumerable<NftSegment> segments) =>
        _steps.AddRange(segments.Where(s => s.Field == PacketField.ConntrackMark).Select(s => MatchStep.Reads(s.Key)));

    private void AddEveryPacket(IEnumerable<NftSegment> segments)
    {
        foreach (var segment in segments)
        {
            if (segment.EveryPacket is { } name)
                EveryPacket(name);
        }
    }

    private void ReadBitwise(NftAttributes data)
    {
        var content = _registers[data.U32(Nft.NFTA_BITWISE_SREG)];
        var mask = data.Value(Nft.NFTA_BITWISE_MASK);
        var known = data.U32(Nft.NFTA_BITWISE_OP) == 0 && !mask.IsEmpty && data.Value(Nft.NFTA_BITWISE_XOR).IndexOfAnyExcept((byte)0) < 0;
        var result = new List<NftSegment>();
        foreach (var segment in content)
        {
            var length = Math.Min(segment.Length, mask.Length);
            if (known && length == segment.Length && segment.Mask is null && segment.Field != PacketField.Other)
                result.Add(segment with { Mask = segment.Number(mask[..length]) });
            else if (segment.Field == PacketField.ConntrackMark)
                result.Add(segment with { Mask = null }); // All of it may be in the result.
            else
                result.Add(NftRegisters.Unknown(segment.Length)[0] with { EveryPacket = segment.EveryPacket });
            mask = mask[length..];
        }

        _registers.Load(data.U32(Nft.NFTA_BITWISE_DREG), [.. result]);
    }

    private void ReadLookup(NftAttributes data)
    {
        var set = findSet(data.Text(Nft.NFTA_LOOKUP_SET));
        if (set is null)
        {
            _steps.Add(Unreadable with { Name = "a set that is gone" });
            return;
        }

        var contents = _registers.Concatenation(data.U32(Nft.NFTA_LOOKUP_SREG), set.KeyLength);
        var segments = contents.SelectMany(c => c).ToList();
        var keys = segments.ConvertAll(s => s.Key);
        var elements = set.Elements().Select(e => new FieldElement(Values(contents, e.Low, e.High), e.Verdict)).ToList();
        var name = set.IsAnonymous ? null : set.Name;
        if (data.Has(Nft.NFTA_LOOKUP_DREG) && data.U32(Nft.NFTA_LOOKUP_DREG) == Nft.NFT_REG_VERDICT)
        {
            AddEveryPacket(segments);
            _steps.Add(new VerdictMapStep(keys, elements, name, set.ChangesByItself));
            return;
        }

        AddMatch(segments, new MatchStep(keys, elements, data.U32(Nft.NFTA_LOOKUP_FLAGS) == 1, name, set.ChangesByItself));
        if (data.Has(Nft.NFTA_LOOKUP_DREG))
            _registers.Load(data.U32(Nft.NFTA_LOOKUP_DREG), NftRegisters.Unknown(16));
    }

    private static List<ValueRange> Values(List<NftSegment[]> contents, byte[]? low, byte[]? high)
    {
        var values = new List<ValueRange>();
        var at = 0;
        foreach (var content in contents)
        {
            var length = content.Sum(s => s.Length);
            if (low is null || high is null)
            {
                values.AddRange(content.Select(_ => ValueRange.Any));
                continue;
            }

            var end = Math.Min(at + length, low.Length);
            values.AddRange(NftRegisters.Split(content, low.AsSpan(at..end), high.AsSpan(at..end)).Values);
            at += Nl.Align(length);
        }

        return values;
    }

    private void ReadObject(NftAttributes data)
    {
        // NFT_OBJECT_*: 1 counter, 2 quota, 3 ct helper, 4 limit, 5 connlimit, 7 ct timeout, 8 secmark, 9 ct expectation, 10 synproxy.
        var kind = data.U32(Nft.NFTA_OBJREF_IMM_TYPE);
        UsesConntrack |= kind is 3 or 5 or 7 or 9 or 10;
        _steps.Add(new OpaqueStep("a named object", kind is 1 or 3 or 7 or 8 or 9 ? StepNature.Neutral : StepNature.EveryPacket));
    }

    private static string Words<T>(T key)
        where T : struct, Enum => key.ToString().ToLower(CultureInfo.InvariantCulture);
}
