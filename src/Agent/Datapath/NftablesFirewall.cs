using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// Keeps our nftables table as it should be. While the kernel's rule set has the number it had after our transaction, nobody has changed
/// anything; else the kernel's own listing of the table right after our transaction is compared with the listing of now. Where there is no
/// such listing, because others were at work before it could be read, the table is written again. libnftables is loaded at the first call only.
/// </summary>
/// <remarks>One caller of <see cref="Apply"/>, <see cref="Beat"/> and <see cref="Settle"/>; <see cref="Refused"/> may be called from any thread.</remarks>
/// <param name="instance">Name of the agent's instance.</param>
/// <param name="rules">The host's rules; the firewall does not dispose of them.</param>
/// <param name="time">The clock.</param>
public sealed class NftablesFirewall(string instance, HostRules rules, TimeProvider time) : IDisposable
{
    /// <summary>To list the table costs more than to change it. Where peers come one after the other, once for several of them is enough.</summary>
    private static readonly TimeSpan SettlePause = TimeSpan.FromMilliseconds(50);

    /// <summary>Of the time, a tenth at most goes into listing, however large the table is.</summary>
    private const int SettleShare = 10;

    private readonly string _table = FirewallRules.TableName(instance);
    private readonly Lock _gate = new();
    private NftablesContext? _context;
    private (FirewallSpec Spec, AcceptMark? Mark)? _applied;
    private (uint? Generation, byte[]? Digest) _left;
    private long _unsettled;
    private TimeSpan _settlePause = SettlePause;
    private uint _libraryPort;

    /// <summary>
    /// Makes the table equal to <paramref name="spec"/> and <paramref name="mark"/>. Peers come and go by single elements, a new mark
    /// replaces its own chains; whatever else is to change replaces the table, and the guard's counters go on from where they are.
    /// </summary>
    /// <exception cref="NftablesException">nftables refused.</exception>
    /// <exception cref="NativeLibraryMissingException">libnftables is not installed.</exception>
    public FirewallChange Apply(FirewallSpec spec, AcceptMark? mark)
    {
        lock (_gate)
        {
            _context ??= NftablesContext.Open();
            var (verdict, found) = _applied is null ? (Verdict.Changed, null) : Compare();
            var isIntact = verdict == Verdict.AsLeft;
            if (isIntact && TryChangeVteps(_applied!.Value, (spec, mark)) is { } change)
                return change;
            var update = _applied is { } applied ? FirewallRules.Update(_table, applied, (spec, mark)) : null;
            if (isIntact && update is "")
                return FirewallChange.None;
            _applied = null;
            var before = rules.Generation();
            Run(c => c.Run(isIntact && update is not null ? update : FirewallRules.Replace(_table, spec, mark, Counts() ?? [])));
            Note(before);
            _applied = (spec, mark);
            if (update is not "")
                return FirewallChange.Written;
            if (verdict == Verdict.Changed)
                return FirewallChange.Repaired;
            // What it is now it ought to have been before.
            SettleLocked();
            return _left.Digest is { } now && !now.AsSpan().SequenceEqual(found) ? FirewallChange.Repaired : FirewallChange.None;
        }
    }

    /// <summary>Settles what is due, and returns when something will be; null if nothing will.</summary>
    public TimeSpan? Beat()
    {
        lock (_gate)
        {
            if (!IsUnsettled)
                return null;
            var left = _settlePause - time.GetElapsedTime(_unsettled);
            if (left > TimeSpan.Zero)
                return left;
            var began = time.GetTimestamp();
            SettleLocked();
            var pause = time.GetElapsedTime(began) * SettleShare;
            _settlePause = pause > SettlePause ? pause : SettlePause;
            // If others were there too, they have woken the loop.
            return null;
        }
    }

    /// <summary>
    /// Looks at what the last transaction has left, so that what others change can be told from it. Routes to new peers wait for the
    /// transaction and need not wait for this.
    /// </summary>
    public void Settle()
    {
        lock (_gate)
            SettleLocked();
    }

    /// <summary>Packets the guard refused, or would refuse where it only observes, by reason; null if there is no guard in nftables.</summary>
    public IReadOnlyDictionary<string, ulong>? Refused()
    {
        lock (_gate)
            return _context is null ? null : Counts()?.Where(c => c.Value.Packets > 0).ToDictionary(c => c.Key, c => c.Value.Packets, StringComparer.Ordinal);
    }

    /// <summary>Whether a transaction, by the netlink port it came from, is our own. Callable from any thread.</summary>
    public bool IsOwn(uint port) => port != 0 && (port == _libraryPort || port == rules.PortId);

    /// <summary>Whether our table is there, by whichever run.</summary>
    /// <exception cref="NativeLibraryMissingException">libnftables is not installed.</exception>
    public bool Exists()
    {
        lock (_gate)
        {
            _context ??= NftablesContext.Open();
            return List() is not null;
        }
    }

    /// <summary>Takes it away.</summary>
    /// <exception cref="NftablesException">nftables refused.</exception>
    /// <exception cref="NativeLibraryMissingException">libnftables is not installed.</exception>
    public void Remove()
    {
        lock (_gate)
        {
            _context ??= NftablesContext.Open();
            _applied = null;
            Run(c => c.Run($"delete table inet {_table}"));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _context?.Dispose();

    /// <summary>What happens all the time, a peer that comes or goes, by the shortest way.</summary>
    private FirewallChange? TryChangeVteps((FirewallSpec Spec, AcceptMark? Mark) before, (FirewallSpec Spec, AcceptMark? Mark) after)
    {
        if (_left.Generation is not { } generation || FirewallRules.VtepsOnly(before, after) is not var (added, removed))
            return null;
        if (added.Count + removed.Count > 0)
        {
            try
            {
                rules.ChangeElements(generation, FirewallRules.Vteps, [.. added.Select(a => a.GetAddressBytes())], [.. removed.Select(a => a.GetAddressBytes())]);
            }
            catch (NetlinkException)
            {
                // ignoring: others were at work this very moment, or it is not as we left it. The long way looks, and says what it cannot do.
                return null;
            }

            Note(generation);
        }

        _applied = after;
        return added.Count + removed.Count > 0 ? FirewallChange.Written : FirewallChange.None;
    }

    /// <summary>After a transaction of our own. One transaction is one number: if there are more, somebody else was there too.</summary>
    private void Note(uint? before)
    {
        var after = rules.Generation();
        rules.NoteOwn(before, after);
        if (!IsUnsettled)
            _unsettled = time.GetTimestamp();
        _left = (HostRules.IsNext(before, after) ? after : null, null);
    }

    private bool IsUnsettled => _applied is not null && _left is { Generation: not null, Digest: null };

    private void SettleLocked()
    {
        if (!IsUnsettled)
            return;
        try
        {
            // If somebody was there since, this may be what they have left and not what we have.
            if (Look() is var now && now.Generation == _left.Generation)
                _left = now;
        }
        catch (NativeException)
        {
            // ignoring: the next pass finds nothing to compare with, and writes the table again.
        }
    }

    private (Verdict Verdict, byte[]? Found) Compare()
    {
        if (_left.Generation is not null && _left.Generation == rules.Generation())
            return (Verdict.AsLeft, null);
        var now = Look();
        if (_left.Digest is null)
            return (now.Digest is null ? Verdict.Changed : Verdict.Unknown, now.Digest);
        if (now.Digest is null || !now.Digest.AsSpan().SequenceEqual(_left.Digest))
            return (Verdict.Changed, now.Digest);
        _left = now; // What changed was somebody else's.
        return (Verdict.AsLeft, now.Digest);
    }

    /// <summary>Our table as the kernel has it, and the number of the rule set if that stood still meanwhile.</summary>
    private (uint? Generation, byte[]? Digest) Look()
    {
        var before = rules.Generation();
        var digest = List() is { } listing ? SHA256.HashData(Encoding.UTF8.GetBytes(listing)) : null;
        return (rules.Generation() == before ? before : null, digest);
    }

    private Dictionary<string, PacketCount>? Counts()
    {
        if (TryRun(c => c.RunJson($"list counters table inet {_table}")) is not { } json)
            return null;
        // libnftables-json(5): {"nftables": [{"metainfo": …}, {"counter": {"name": …, "packets": …, "bytes": …}}, …]}
        using var document = JsonDocument.Parse(json);
        var counts = new Dictionary<string, PacketCount>(StringComparer.Ordinal);
        foreach (var item in document.RootElement.GetProperty("nftables").EnumerateArray())
        {
            if (item.TryGetProperty("counter", out var counter))
                counts[counter.GetProperty("name").GetString()!] = new(counter.GetProperty("packets").GetUInt64(), counter.GetProperty("bytes").GetUInt64());
        }

        return counts.Count == 0 ? null : counts;
    }

    private string? List() => TryRun(c => c.RunStateless($"list table inet {_table}"));

    private string? TryRun(Func<NftablesContext, string> command)
    {
        try
        {
            return Run(command);
        }
        catch (NftablesException)
        {
            // No such table.
            return null;
        }
    }

    private string Run(Func<NftablesContext, string> command)
    {
        try
        {
            return command(_context!);
        }
        finally
        {
            // Each time: the library may have opened its socket anew.
            _libraryPort = _context!.PortId;
        }
    }

    private enum Verdict
    {
        AsLeft,
        Changed,

        /// <summary>Others were at work before anybody had looked at what our transaction had left.</summary>
        Unknown,
    }
}
