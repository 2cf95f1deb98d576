using System.Globalization;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// The packet filter rules of this host as the kernel holds them. Reads nftables only when the kernel says that the rules are others than
/// before. One caller at a time, always on threads of the same network namespace.
/// </summary>
/// <param name="instance">Our rules in other people's chains do not count for the digests, nor do the tables of agents.</param>
public sealed class HostRules(string instance) : IDisposable
{
    private readonly string _ownTable = FirewallRules.TableName(instance);
    private NftablesSocket? _nftables;
    private (uint Generation, FilterRules Rules)? _read;

    /// <summary>The comment of our rules in other people's chains.</summary>
    public string Comment { get; } = $"accelerated {instance}";

    /// <summary>The number of nftables' rule set, one more after each transaction; null where the kernel has none.</summary>
    /// <exception cref="Interop.NativeException">CAP_NET_ADMIN is missing.</exception>
    public uint? Generation()
    {
        _nftables ??= NftablesSocket.TryOpen();
        return _nftables?.GetGeneration();
    }

    /// <summary>Netlink port that <see cref="ChangeElements"/> comes from; 0 before the first question.</summary>
    public uint PortId => _nftables?.PortId ?? 0;

    /// <summary>Changes the elements of a set in our own table, in one transaction, if the rule set has the given number.</summary>
    /// <exception cref="Interop.Netlink.NetlinkException">Nothing was changed; see <see cref="NftablesSocket.ChangeElements"/>.</exception>
    public void ChangeElements(uint generation, string set, IReadOnlyList<byte[]> add, IReadOnlyList<byte[]> remove) =>
        _nftables!.ChangeElements(generation, (FilterFamily.Inet, _ownTable, set), add, remove);

    /// <summary>Tells of a transaction on our own table. If it was the only one, what was read before it still stands.</summary>
    public void NoteOwn(uint? before, uint? after)
    {
        if (_read is { } read && read.Generation == before && IsNext(before, after))
            _read = (after!.Value, read.Rules);
    }

    /// <summary>Whether there was just one transaction between two numbers of the rule set.</summary>
    public static bool IsNext(uint? before, uint? after) => before is { } number && after == unchecked(number + 1);

    /// <summary>nftables' rules, those of iptables-nft among them.</summary>
    /// <exception cref="Interop.NativeException">CAP_NET_ADMIN is missing, or the rules change all the time.</exception>
    public FilterRules ReadNftables()
    {
        var generation = Generation();
        if (_nftables is null)
            return FilterRules.None;
        if (_read is { } read && read.Generation == generation)
            return read.Rules;
        var rules = _nftables.Read(FirewallRules.IsAgents, Comment);

        // Of before the reading: if rules changed meanwhile, the next look reads once more.
        _read = generation is { } known ? (known, rules) : null;
        return rules;
    }

    /// <summary>The rules of legacy iptables. Their changes are told to nobody, so each call reads.</summary>
    /// <exception cref="Interop.NativeException">CAP_NET_ADMIN is missing, or the rules change all the time.</exception>
    public FilterRules ReadLegacy() => IptablesLegacy.Read(Comment);

    /// <summary>Where our rules are among others': what the digest leaves out.</summary>
    public string PlacesOfOurs(FilterRules rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        return string.Join(' ',
            from table in rules.Tables
            from chain in table.Chains
            from rule in chain.Rules.Index()
            where rule.Item.Comment == Comment
            select $"{table.Name}/{chain.Name}/{rule.Index.ToString(CultureInfo.InvariantCulture)}/{rule.Item.Handle.ToString(CultureInfo.InvariantCulture)}");
    }

    /// <inheritdoc/>
    public void Dispose() => _nftables?.Dispose();
}
