using Accelerated.Agent.State;

namespace Accelerated.Agent.Datapath;

/// <summary>Carries overlay packets. The reconcile loop is the only caller; nothing here is thread-safe.</summary>
public interface IDatapath
{
    /// <summary>What carries packets now, as in flags and status: <c>bpf</c>, <c>kernel</c>, <c>host-gw</c>, or <c>none</c> for no transport.</summary>
    string Name { get; }

    /// <summary>Why this one, as a phrase.</summary>
    string Reason { get; }

    /// <summary>What our nftables table has to mark for lane 2, or null. As of the latest <see cref="Apply"/>.</summary>
    AcceptMark? Mark { get; }

    /// <summary>
    /// Renews what is only to live while the loop does: to be called by the loop between passes.
    /// </summary>
    /// <returns>When to call again, or null when there is no need.</returns>
    TimeSpan? Beat();

    /// <summary>Whether the eBPF lanes carry packets now. Safe from any thread.</summary>
    bool HasLanes { get; }

    /// <summary>The containers that lane 2 knows of, and those it leaves out. As of the latest <see cref="Apply"/>; safe from any thread.</summary>
    IReadOnlyList<ContainerStatus> Containers { get; }

    /// <summary>What was carried so far. Safe from any thread, unlike the rest.</summary>
    DatapathUsage Usage();

    /// <summary>
    /// Samples of what the guard refused, oldest first: those kept of what came after a number. Safe from any thread. Only the eBPF lanes
    /// tell; what nftables refuses is counted there.
    /// </summary>
    IReadOnlyList<Refusal> Refusals(long after);

    /// <summary>
    /// Makes the kernel equal to <paramref name="desired"/>: looks at what is there, changes only what differs. Idempotent. What fails
    /// for one peer does not keep the others waiting.
    /// </summary>
    DatapathReport Apply(DesiredState desired);
}
