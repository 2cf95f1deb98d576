using Accelerated.Agent.Datapath;

namespace Accelerated.Agent.Api;

/// <summary>One listener's place in what the guard refuses.</summary>
public sealed class DropReader(IDatapath datapath, NftablesFirewall firewall, TimeProvider time)
{
    /// <summary>Listing counters costs a call into nftables; samples cost next to nothing.</summary>
    private static readonly TimeSpan CountInterval = TimeSpan.FromSeconds(1);

    private IReadOnlyDictionary<string, ulong>? _counted;
    private DateTimeOffset _countAt;
    private long _last;

    /// <summary>What is new since the call before; the first time, the latest samples that are kept.</summary>
    public IReadOnlyList<DropLine> Read()
    {
        var samples = datapath.Refusals(_last);
        if (samples is [.., var newest])
            _last = newest.Number;
        return [.. samples.Select(s => new DropLine(s, null)), .. Counts()];
    }

    private List<DropLine> Counts()
    {
        var now = time.GetUtcNow();
        if (now < _countAt)
            return [];
        _countAt = now + CountInterval;
        var counts = firewall.Refused() ?? new Dictionary<string, ulong>();
        var before = _counted ?? counts;
        _counted = counts;
        // Counters that went back are those of a table that was made anew.
        return [.. counts.Select(c => (Reason: c.Key, New: c.Value - Math.Min(c.Value, before.GetValueOrDefault(c.Key))))
            .Where(c => c.New > 0)
            .Select(c => new DropLine(null, new(now, c.Reason, c.New)))];
    }
}
