using Accelerated.Agent.State;

namespace Accelerated.Agent.Datapath;

/// <summary>Carries overlay packets. The reconcile loop is the only caller; nothing here is thread-safe.</summary>
public interface IDatapath
{
    /// <summary>What carries packets now, as in flags and status: <c>bpf</c> or <c>kernel</c>.</summary>
    string Name { get; }

    /// <summary>Why this one, as a phrase.</summary>
    string Reason { get; }

    /// <summary>What the lanes in use did so far; empty when there are none. Safe from any thread, unlike the rest.</summary>
    IReadOnlyList<LaneStatus> Lanes();

    /// <summary>
    /// Makes the kernel equal to <paramref name="desired"/>: looks at what is there, changes only what differs. Idempotent. What fails
    /// for one peer does not keep the others waiting.
    /// </summary>
    /// <exception cref="DatapathException">The device itself cannot be had; nothing else was touched.</exception>
    DatapathReport Apply(DesiredState desired);
}
