using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>
/// Keeps our few rules in iptables' chains (<see cref="ForeignPlan"/>) and says who else refuses the overlay's packets. Reads the kernel
/// each time and runs iptables only to change something. One caller at a time, but for <see cref="IsOwn"/>.
/// </summary>
public sealed class ForeignChains
{
    /// <summary>How often to look at rules whose changes nobody tells of (iptables-legacy).</summary>
    private static readonly TimeSpan SilentInterval = TimeSpan.FromSeconds(1);

    /// <summary>After what was refused, unless the rules are others meanwhile.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(30);

    private readonly HostRules _rules;
    private readonly IptablesTool _tool;
    private readonly string _ownTable;
    private readonly TimeProvider _time;
    private (FilterRules Nftables, string Legacy, ForeignSpec Spec, IReadOnlyList<Problem> Problems)? _settled;
    private (IReadOnlyList<ForeignEdit> Edits, Problem Problem, DateTimeOffset Until)? _refused;

    /// <summary>Works on the rules of the host.</summary>
    /// <param name="instance">Name of the agent's instance.</param>
    /// <param name="rules">Reads them.</param>
    /// <param name="time">The clock.</param>
    /// <param name="search">Folders to look for iptables in; null for the usual ones.</param>
    public ForeignChains(string instance, HostRules rules, TimeProvider time, IReadOnlyList<string>? search = null)
    {
        _rules = rules;
        _tool = new IptablesTool(search ?? IptablesTool.DefaultSearch);
        _ownTable = FirewallRules.TableName(instance);
        _time = time;
    }

    /// <summary>Whether a transaction on nftables, by the socket it came from, is our own doing. Callable from any thread.</summary>
    public bool IsOwn(uint portId) => _tool.IsOwn(portId);

    /// <summary>Puts our rules where they should be.</summary>
    /// <exception cref="NativeException">The host's rules cannot be read.</exception>
    public ForeignReport Apply(ForeignSpec spec)
    {
        var (nftables, legacy) = (_rules.ReadNftables(), _rules.ReadLegacy());
        // The digest leaves out our own rules, and somebody may have taken these. Of nftables each reading is another object.
        var state = legacy.Digest + _rules.PlacesOfOurs(legacy);
        TimeSpan? again = legacy.Tables.Count > 0 ? SilentInterval : null;
        if (_settled is { } settled && ReferenceEquals(settled.Nftables, nftables) && settled.Legacy == state && settled.Spec == spec)
            return new([], settled.Problems, again);
        var plan = ForeignPlan.Make([.. nftables.Tables, .. legacy.Tables], _rules.Comment, _ownTable, spec);
        if (plan.Edits.Count == 0)
        {
            _settled = (nftables, state, spec, plan.Problems);
            return new([], plan.Problems, again);
        }

        _settled = null;
        var known = _refused is { } before && _time.GetUtcNow() < before.Until && Text(before.Edits) == Text(plan.Edits) ? before.Problem : null;
        try
        {
            if (known is null)
                Run(plan.Edits);
            _refused = known is null ? null : _refused;
            return known is null
                ? new([.. plan.Edits.Select(e => e.Words)], plan.Problems, again)
                : new([], [.. plan.Problems, known], Earlier(again, _refused!.Value.Until - _time.GetUtcNow()));
        }
        catch (IptablesException e)
        {
            var problem = new Problem(ProblemSeverity.Degraded, "iptables", e.Message, e.Remedy);
            _refused = (plan.Edits, problem, _time.GetUtcNow() + Retry);
            return new([], [.. plan.Problems, problem], Earlier(again, Retry));
        }
    }

    /// <summary>What <see cref="Remove"/> would do, in words.</summary>
    /// <exception cref="NativeException">The host's rules cannot be read.</exception>
    public IReadOnlyList<string> Find() => [.. Removal().Select(e => e.Words)];

    /// <summary>Takes all of our rules out of other people's chains.</summary>
    /// <exception cref="NativeException">The host's rules cannot be read.</exception>
    /// <exception cref="IptablesException">iptables is missing, or refused.</exception>
    public void Remove() => Run(Removal());

    private IReadOnlyList<ForeignEdit> Removal() =>
        ForeignPlan.Make([.. _rules.ReadNftables().Tables, .. _rules.ReadLegacy().Tables], _rules.Comment, _ownTable, null).Edits;

    private void Run(IReadOnlyList<ForeignEdit> edits)
    {
        foreach (var kind in edits.GroupBy(e => e.IsLegacy))
            _tool.Restore(kind.Key, ForeignEdit.Script(kind, _rules.Comment));
    }

    private string Text(IReadOnlyList<ForeignEdit> edits) =>
        string.Join('\n', edits.GroupBy(e => e.IsLegacy).Select(k => $"{k.Key} {ForeignEdit.Script(k, _rules.Comment)}"));

    private static TimeSpan Earlier(TimeSpan? a, TimeSpan b) => a is { } other && other < b ? other : b;
}
