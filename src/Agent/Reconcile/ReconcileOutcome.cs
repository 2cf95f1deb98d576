using System.Collections.Immutable;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Node;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Reconcile;

/// <summary>What the reconcile loop knows after a pass, for status.</summary>
/// <param name="Ready">A whole pass has succeeded: device, lease, rules and subnet.env stand.</param>
/// <param name="Desired">What was applied, or null before the first pass.</param>
/// <param name="Node">The underlay, or null before the first pass.</param>
/// <param name="Others">Interfaces to other hosts beside the underlay's.</param>
/// <param name="Failures">Changes the kernel refused and that will be tried again.</param>
/// <param name="Problems">What the pass has to complain about, by code.</param>
/// <param name="Passes">Passes so far.</param>
/// <param name="Repairs">Changes made although nothing new was wanted: what others had deleted or altered.</param>
/// <param name="FinishedAt">When the last pass ended, or null.</param>
/// <param name="Duration">How long it took.</param>
public sealed record ReconcileOutcome(
    bool Ready,
    DesiredState? Desired,
    NodeFacts? Node,
    IReadOnlyList<OtherInterface> Others,
    IReadOnlyList<DatapathFailure> Failures,
    ImmutableSortedDictionary<string, Problem> Problems,
    long Passes,
    long Repairs,
    DateTimeOffset? FinishedAt,
    TimeSpan Duration)
{
    /// <summary>Before the first pass.</summary>
    public static readonly ReconcileOutcome None = new(
        false, null, null, [], [], ImmutableSortedDictionary.Create<string, Problem>(StringComparer.Ordinal), 0, 0, null, TimeSpan.Zero);
}
