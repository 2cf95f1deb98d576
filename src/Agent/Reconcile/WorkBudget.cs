namespace Accelerated.Agent.Reconcile;

/// <summary>
/// How much of a CPU a loop may take. What it has not used it may use at once, so that a change after a while of quiet waits for nothing;
/// when changes come without end it works a fixed share of the time.
/// </summary>
/// <param name="share">The share, above 0 and at most 1.</param>
/// <param name="most">The most work that can be saved up.</param>
public sealed class WorkBudget(double share, TimeSpan most)
{
    private TimeSpan _spent;
    private TimeSpan _at;

    /// <summary>Books work that has just ended.</summary>
    /// <param name="now">Time on a clock that only goes forward.</param>
    /// <param name="took">What it took of a CPU. Waiting, and what others take on a busy machine, is not its own.</param>
    /// <returns>How long to rest before the next; zero as long as there is something left.</returns>
    public TimeSpan Spend(TimeSpan now, TimeSpan took)
    {
        var owed = _spent - ((now - _at) * share);
        _spent = (owed > TimeSpan.Zero ? owed : TimeSpan.Zero) + took;
        _at = now;
        return _spent > most ? (_spent - most) / share : TimeSpan.Zero;
    }
}
