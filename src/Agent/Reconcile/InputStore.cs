using Accelerated.Agent.State;

namespace Accelerated.Agent.Reconcile;

/// <summary>
/// Holds the current <see cref="AgentInputs"/>. Producers replace parts of it from any thread; every real change wakes the reconcile loop.
/// </summary>
public sealed class InputStore(WakeSignal wake)
{
    private readonly Lock _gate = new();
    private AgentInputs _current = AgentInputs.Empty;

    /// <summary>Raised after each real change, on the thread that made it, with the new value.</summary>
    public event Action<AgentInputs>? Changed;

    /// <summary>The latest value.</summary>
    public AgentInputs Current => Volatile.Read(ref _current);

    /// <summary>Replaces the value by what <paramref name="change"/> makes of it.</summary>
    public void Update(Func<AgentInputs, AgentInputs> change)
    {
        AgentInputs next;
        lock (_gate)
        {
            next = change(_current);
            if (ReferenceEquals(next, _current))
                return;
            Volatile.Write(ref _current, next);
        }

        wake.Wake();
        Changed?.Invoke(next);
    }

    /// <summary>Adds a problem, or replaces the one with the same code.</summary>
    public void Report(Problem problem) =>
        Update(i => i.Problems.TryGetValue(problem.Code, out var known) && known == problem ? i : i with { Problems = i.Problems.SetItem(problem.Code, problem) });

    /// <summary>Takes a problem back; nothing happens when there is none.</summary>
    public void Resolve(string code) =>
        Update(i => i.Problems.ContainsKey(code) ? i with { Problems = i.Problems.Remove(code) } : i);
}
