namespace Accelerated.Agent.Datapath;

/// <summary>
/// Counts what may have changed where packets go or whether they may: rules, policy rules, routes. Lane 2 then wants every flow to prove
/// itself again.
/// </summary>
public sealed class PolicyWatch
{
    private int _changes;

    /// <summary>How many changes there were.</summary>
    public int Changes => Volatile.Read(ref _changes);

    /// <summary>Another change. Callable from any thread.</summary>
    public void Note() => Interlocked.Increment(ref _changes);
}
