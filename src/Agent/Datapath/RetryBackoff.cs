namespace Accelerated.Agent.Datapath;

/// <summary>
/// Holds back what the kernel refused: again after 250 ms, then twice as long each time up to 30 s, jittered. Each change is
/// held back by itself, so one bad peer does not slow the others.
/// </summary>
internal sealed class RetryBackoff(TimeProvider time)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private readonly Dictionary<string, (int Attempts, DateTimeOffset Due, DatapathFailure Failure)> _held = new(StringComparer.Ordinal);

    /// <summary>Failures still waiting for their next attempt.</summary>
    public IReadOnlyList<DatapathFailure> Waiting => _held.Values.Select(h => h.Failure).ToList();

    /// <summary>How long until the next attempt is due, or null when nothing waits.</summary>
    public TimeSpan? NextDue => _held.Count == 0 ? null : Max(_held.Values.Min(h => h.Due) - time.GetUtcNow(), TimeSpan.Zero);

    /// <summary>Whether the change waits for its time.</summary>
    public bool Holds(KernelChange change) => _held.TryGetValue(change.Request.Description, out var held) && held.Due > time.GetUtcNow();

    /// <summary>Notes a refusal.</summary>
    public void Failed(KernelChange change, DatapathFailure failure)
    {
        var attempts = _held.TryGetValue(change.Request.Description, out var held) ? held.Attempts + 1 : 1;
        var pause = Min(First * Math.Pow(2, Math.Min(attempts - 1, 10)), Longest) * (0.8 + (0.4 * Random.Shared.NextDouble()));
        _held[change.Request.Description] = (attempts, time.GetUtcNow() + pause, failure);
    }

    /// <summary>Forgets every change that is no longer planned: it succeeded or is not wanted any more.</summary>
    public void KeepOnly(IEnumerable<KernelChange> planned)
    {
        if (_held.Count == 0)
            return;
        var alive = planned.Select(c => c.Request.Description).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in _held.Keys.Where(k => !alive.Contains(k)).ToList())
            _held.Remove(gone);
    }

    /// <summary>Forgets one change that has succeeded.</summary>
    public void Succeeded(KernelChange change) => _held.Remove(change.Request.Description);

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
