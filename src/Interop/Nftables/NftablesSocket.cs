using System.Security.Cryptography;
using System.Text;
using Accelerated.Interop.Native;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Nftables;

/// <summary>Reads the nftables rules of a network namespace from the kernel itself. Needs no libnftables, but CAP_NET_ADMIN.</summary>
/// <remarks>
/// Bound to the network namespace of the thread that opened it. One caller at a time. The rules of iptables-nft are among them, matches and
/// targets included, which <c>nft -j</c> only names.
/// </remarks>
public sealed class NftablesSocket : IDisposable
{
    private const int ReadAttempts = 16;

    // An attribute has room for 65,535 bytes, and an element with a 16-byte key takes 28 of them.
    private const int ElementsPerMessage = 2000;

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    private readonly NetlinkSocket _socket;
    private readonly NetlinkExchange _exchange;

    private NftablesSocket(NetlinkSocket socket)
    {
        _socket = socket;
        _exchange = new(socket, new());
    }

    /// <summary>Netlink port that transactions come from.</summary>
    public uint PortId => _socket.PortId;

    private delegate void AttributeAction(NetlinkAttribute attribute);

    /// <summary>Opens a socket in the network namespace of the calling thread; null on a kernel without netfilter's netlink.</summary>
    /// <exception cref="NetlinkException">Too many descriptors are open.</exception>
    public static NftablesSocket? TryOpen()
    {
        NetlinkSocket socket;
        try
        {
            lock (NftablesContext.LibraryLock) // See NftablesContext.Open.
                socket = NetlinkSocket.Open(Nl.NETLINK_NETFILTER, "nfnetlink");
        }
        catch (NetlinkException e) when (e.Errno == Errno.EPROTONOSUPPORT)
        {
            return null;
        }

        socket.SetReceiveTimeout(AnswerTimeout);
        return new(socket);
    }

    /// <summary>The number of the rule set in force: one more per transaction. Null on a kernel without nf_tables.</summary>
    public uint? GetGeneration() =>
        (uint?)_exchange.Query<object>(
            "read the nftables generation",
            Nft.NFT_MSG_GETGEN,
            Nft.NFT_MSG_NEWGEN,
            Header(),
            payload =>
            {
                uint generation = 0;
                Each(payload, attribute => generation = attribute.Type == Nft.NFTA_GEN_ID ? attribute.U32BigEndian() : generation);
                return generation;
            },
            Errno.EINVAL);

    /// <summary>Reads all tables but dormant ones, at one generation.</summary>
    /// <param name="isOurs">Tables (family and name) whose content does not count for <see cref="FilterRules.Digest"/>.</param>
    /// <param name="ownComment">Nor do rules with this comment, in whichever table.</param>
    /// <exception cref="NetlinkException">EPERM: CAP_NET_ADMIN is missing. EINTR: the rules change all the time.</exception>
    public FilterRules Read(Func<FilterFamily, string, bool> isOurs, string? ownComment = null)
    {
        ArgumentNullException.ThrowIfNull(isOurs);
        for (var attempt = 1; attempt <= ReadAttempts; attempt++)
        {
            if (GetGeneration() is not { } before)
                return FilterRules.None;
            using var reading = new Reading(this, isOurs, ownComment);
            if (GetGeneration() == before)
                return new(reading.Tables(), reading.Digest());
        }

        throw new NetlinkException("read nftables rules", Errno.EINTR, $"they changed during each of {ReadAttempts} readings");
    }

    /// <summary>
    /// Adds elements to a set and takes others away, in one transaction. Unlike libnftables it does not read the rule set before, which takes
    /// most of a millisecond.
    /// </summary>
    /// <param name="generation">The transaction is for this rule set only; one of another number is left alone.</param>
    /// <param name="set">Family, table and name of a set of single keys without data.</param>
    /// <param name="add">Keys, in network byte order; one that is there already is no fault.</param>
    /// <param name="remove">Keys that are there.</param>
    /// <exception cref="NetlinkException">Nothing was changed. ERESTART: the rule set is another one. ENOENT: no such set or element.</exception>
    public void ChangeElements(uint generation, (FilterFamily Family, string Table, string Name) set, IReadOnlyList<byte[]> add, IReadOnlyList<byte[]> remove)
    {
        var first = _exchange.LastSequence + 1;
        var batch = new NetlinkWriter(1024);
        var subsystem = new NfGenMsg { res_id = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((ushort)(Nft.Subsystem >> 8)) };
        batch.Message(Nft.NFNL_MSG_BATCH_BEGIN, Nl.NLM_F_REQUEST, _exchange.NextSequence(), new NetlinkWriter().Struct(subsystem).U32BigEndian(Nft.NFNL_BATCH_GENID, generation).Written);
        var acknowledgements = 0;
        foreach (var (type, flags, keys) in ((ushort, ushort, IReadOnlyList<byte[]>)[])[(Nft.NFT_MSG_NEWSETELEM, Nl.NLM_F_CREATE, add), (Nft.NFT_MSG_DELSETELEM, 0, remove)])
        {
            foreach (var some in keys.Chunk(ElementsPerMessage))
            {
                var message = Header(set.Family).Text(Nft.NFTA_SET_ELEM_LIST_TABLE, set.Table).Text(Nft.NFTA_SET_ELEM_LIST_SET, set.Name)
                    .Nested(Nft.NFTA_SET_ELEM_LIST_ELEMENTS, list =>
                    {
                        foreach (var key in some)
                            list.Nested(Nft.NFTA_LIST_ELEM, e => e.Nested(Nft.NFTA_SET_ELEM_KEY, k => k.Bytes(Nft.NFTA_DATA_VALUE, key)));
                    });
                batch.Message(type, (ushort)(Nl.NLM_F_REQUEST | Nl.NLM_F_ACK | flags), _exchange.NextSequence(), message.Written);
                acknowledgements++;
            }
        }

        batch.Message(Nft.NFNL_MSG_BATCH_END, Nl.NLM_F_REQUEST, _exchange.NextSequence(), new NetlinkWriter().Struct(subsystem).Written);
        _socket.Send(batch.Written);
        while (acknowledgements > 0)
        {
            var reader = new NetlinkReader(_socket.Receive());
            while (reader.TryRead(out var message))
            {
                if (message.Type != Nl.NLMSG_ERROR || message.Header.nlmsg_seq - first > _exchange.LastSequence - first)
                    continue;
                var (errno, text) = message.ReadError();
                if (errno != 0)
                    throw new NetlinkException($"change the elements of {set.Name}", errno, text);
                acknowledgements--;
            }
        }
    }

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();

    private static NetlinkWriter Header(FilterFamily family = 0) => new NetlinkWriter().Struct(new NfGenMsg { nfgen_family = (byte)family });

    private static FilterFamily Family(ReadOnlySpan<byte> payload) => (FilterFamily)NetlinkReader.Struct<NfGenMsg>(payload).nfgen_family;

    private static void Each(ReadOnlySpan<byte> payload, AttributeAction action)
    {
        NetlinkReader.Struct<NfGenMsg>(payload, out var attributes);
        while (attributes.TryRead(out var attribute))
            action(attribute);
    }

    private static string Text(ReadOnlySpan<byte> payload, ushort type)
    {
        NetlinkReader.Struct<NfGenMsg>(payload, out var attributes);
        while (attributes.TryRead(out var attribute))
        {
            if (attribute.Type == type)
                return attribute.Text();
        }

        return "";
    }

    /// <summary>One pass over everything. What is read is decoded only then, when all sets are known.</summary>
    private sealed class Reading : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly Func<FilterFamily, string, bool> _isOurs;
        private readonly string? _ownComment;
        private readonly List<(FilterFamily Family, string Name)> _tables = [];
        private readonly List<byte[]> _chains;
        private readonly List<byte[]> _rules;
        private readonly Dictionary<(FilterFamily, string Table, string Set), NftSet> _sets = [];
        private readonly HashSet<(FilterFamily, string)> _tracking = [];

        internal Reading(NftablesSocket socket, Func<FilterFamily, string, bool> isOurs, string? ownComment)
        {
            _isOurs = isOurs;
            _ownComment = ownComment;
            foreach (var table in Dump(socket, "tables", Nft.NFT_MSG_GETTABLE, Nft.NFT_MSG_NEWTABLE, Header()))
            {
                var dormant = false;
                Each(table, a => dormant |= a.Type == Nft.NFTA_TABLE_FLAGS && (a.U32BigEndian() & Nft.NFT_TABLE_F_DORMANT) != 0);
                if (!dormant)
                    _tables.Add((Family(table), Text(table, Nft.NFTA_TABLE_NAME)));
            }

            _chains = Dump(socket, "chains", Nft.NFT_MSG_GETCHAIN, Nft.NFT_MSG_NEWCHAIN, Header());
            _rules = Dump(socket, "rules", Nft.NFT_MSG_GETRULE, Nft.NFT_MSG_NEWRULE, Header());
            foreach (var set in Dump(socket, "sets", Nft.NFT_MSG_GETSET, Nft.NFT_MSG_NEWSET, Header()))
                ReadSet(socket, set);
        }

        public void Dispose() => _hash.Dispose();

        internal string Digest() => Convert.ToHexStringLower(_hash.GetHashAndReset());

        internal List<FilterTable> Tables()
        {
            var rules = new Dictionary<(FilterFamily, string Table, string Chain), List<FilterRule>>();
            foreach (var rule in _rules)
            {
                var family = Family(rule);
                var table = Text(rule, Nft.NFTA_RULE_TABLE);
                var place = (family, table, Text(rule, Nft.NFTA_RULE_CHAIN));
                if (!rules.TryGetValue(place, out var list))
                    rules[place] = list = [];
                list.Add(Rule(rule, family, table));
            }

            var chains = new Dictionary<(FilterFamily, string Table), List<FilterChain>>();
            foreach (var chain in _chains)
            {
                var place = (Family(chain), Text(chain, Nft.NFTA_CHAIN_TABLE));
                if (!chains.TryGetValue(place, out var list))
                    chains[place] = list = [];
                list.Add(NftChainReader.Read(Family(chain), chain, name => rules.GetValueOrDefault((place.Item1, place.Item2, name)) ?? []));
                Count(place.Item1, place.Item2, list[^1]);
            }

            // A chain for NAT does not track connections yet; the rules in it do (seen on 6.18).
            return _tables.ConvertAll(t => new FilterTable(t.Family, t.Name, IsLegacy: false, _tracking.Contains(t), chains.GetValueOrDefault(t) ?? []));
        }

        private FilterRule Rule(ReadOnlySpan<byte> payload, FilterFamily family, string table)
        {
            ulong handle = 0;
            IReadOnlyList<RuleStep> steps = [];
            string? comment = null;
            var expressions = default(NetlinkAttribute);
            var reader = new NftRuleReader(family, name => _sets.GetValueOrDefault((family, table, name)));
            var ours = _isOurs(family, table);
            NetlinkReader.Struct<NfGenMsg>(payload, out var attributes);
            while (attributes.TryRead(out var attribute))
            {
                if (attribute.Type == Nft.NFTA_RULE_HANDLE)
                    handle = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(attribute.Value);
                else if (attribute.Type == Nft.NFTA_RULE_EXPRESSIONS)
                {
                    expressions = attribute;
                    steps = reader.Read(attribute.Nested());
                }
                else if (attribute.Type == Nft.NFTA_RULE_USERDATA)
                {
                    comment = NftAttributes.Comment(attribute.Value);
                }
            }

            comment ??= reader.Comment;
            if (!ours && (comment is null || comment != _ownComment))
            {
                CountExpressions(expressions.Nested());
                _hash.AppendData(BitConverter.GetBytes(handle));
            }

            if (reader.UsesConntrack)
                _tracking.Add((family, table));
            return new FilterRule(handle, steps) { Comment = comment };
        }

        // Everything but what counters, quotas and "last" have seen.
        private void CountExpressions(AttributeReader expressions)
        {
            while (expressions.TryRead(out var element))
            {
                var parts = element.Nested();
                var moves = false;
                while (parts.TryRead(out var part))
                {
                    moves |= part.Type == Nft.NFTA_EXPR_NAME && part.Text() is "counter" or "quota" or "last";
                    if (!moves || part.Type == Nft.NFTA_EXPR_NAME)
                        _hash.AppendData(part.Value);
                }
            }
        }

        private void Count(FilterFamily family, string table, FilterChain chain)
        {
            if (!_isOurs(family, table))
                _hash.AppendData(Encoding.UTF8.GetBytes($"{family} {table} {chain.Name} {chain.Hook} {chain.Kind} {chain.DropsByDefault} {string.Join(',', chain.Devices)}\n"));
        }

        private void ReadSet(NftablesSocket socket, byte[] payload)
        {
            var (family, table, name) = (Family(payload), Text(payload, Nft.NFTA_SET_TABLE), Text(payload, Nft.NFTA_SET_NAME));
            uint flags = 0;
            uint keyLength = 0;
            Each(payload, a =>
            {
                flags = a.Type == Nft.NFTA_SET_FLAGS ? a.U32BigEndian() : flags;
                keyLength = a.Type == Nft.NFTA_SET_KEY_LEN ? a.U32BigEndian() : keyLength;
            });
            var set = new NftSet(name, flags, (int)keyLength);
            _sets[(family, table, name)] = set;

            // Elements that come and go by themselves are not looked at, and are no change of the rules.
            if (set.ChangesByItself)
                return;
            var ours = _isOurs(family, table);
            var request = Header(family).Text(Nft.NFTA_SET_ELEM_LIST_TABLE, table).Text(Nft.NFTA_SET_ELEM_LIST_SET, name);
            foreach (var part in Dump(socket, "set elements", Nft.NFT_MSG_GETSETELEM, Nft.NFT_MSG_NEWSETELEM, request))
            {
                Each(part, a =>
                {
                    if (a.Type != Nft.NFTA_SET_ELEM_LIST_ELEMENTS)
                        return;
                    var elements = a.Nested();
                    while (elements.TryRead(out var element))
                        AddElement(set, element, ours);
                });
            }
        }

        private void AddElement(NftSet set, NetlinkAttribute element, bool ours)
        {
            byte[] key = [];
            byte[]? keyEnd = null;
            uint flags = 0;
            RuleVerdict verdict = default;
            var attributes = element.Nested();
            while (attributes.TryRead(out var attribute))
            {
                switch (attribute.Type)
                {
                    case Nft.NFTA_SET_ELEM_KEY:
                        key = NftAttributes.Value(attribute).ToArray();
                        break;
                    case Nft.NFTA_SET_ELEM_KEY_END:
                        keyEnd = NftAttributes.Value(attribute).ToArray();
                        break;
                    case Nft.NFTA_SET_ELEM_FLAGS:
                        flags = attribute.U32BigEndian();
                        break;
                    case Nft.NFTA_SET_ELEM_DATA:
                        verdict = NftAttributes.Verdict(attribute);
                        break;
                    default:
                        continue;
                }

                if (!ours)
                    _hash.AppendData(attribute.Value);
            }

            set.Add(key, keyEnd, flags, verdict);
        }

        private static List<byte[]> Dump(NftablesSocket socket, string what, ushort type, ushort answer, NetlinkWriter request) =>
            socket._exchange.Dump<byte[]>($"list nftables {what}", type, answer, request, payload => payload.ToArray(), Errno.ENOENT);
    }
}
