using System.Collections.Immutable;

namespace Accelerated.Agent.State;

/// <summary>All subnet leases of the network as known at one revision, the own one included.</summary>
/// <param name="Revision">The store's revision this view reflects; 0 before the first snapshot.</param>
/// <param name="Leases">By key text (<c>10.5.1.0-24</c>).</param>
/// <param name="Rejected">Keys under <c>subnets/</c> that cannot be understood, with the reason. They harm nobody else.</param>
/// <param name="IsComplete">A whole snapshot is in. Until then nothing may be concluded from a key that is absent.</param>
/// <param name="IsProvisional">Restored from the last run and not yet confirmed by etcd.</param>
public sealed record LeaseView(
    long Revision,
    ImmutableSortedDictionary<string, SubnetLease> Leases,
    ImmutableSortedDictionary<string, string> Rejected,
    bool IsComplete,
    bool IsProvisional)
{
    /// <summary>
    /// Those of the leases that are not in the store: it lost its history, and that they are missing does not say that their nodes
    /// are gone. Each is kept until something in the store takes its place.
    /// </summary>
    public ImmutableSortedSet<string> Kept { get; init; } = [];

    /// <summary>Nothing known yet.</summary>
    public static readonly LeaseView Empty = new(0,
        ImmutableSortedDictionary.Create<string, SubnetLease>(StringComparer.Ordinal),
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal), false, false);
}
