using Accelerated.Agent.Cli;
using Accelerated.Agent.Node;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Reconcile;

/// <summary>Writes down for the next start what etcd has confirmed. Used by the loop alone.</summary>
public sealed partial class StateKeeper(AgentOptions options, StateFile file, TimeProvider time, ILogger<StateKeeper> log)
{
    /// <summary>The file costs a flush to disk; in a burst of changes once in this time is enough.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private AgentInputs? _kept;
    private DateTimeOffset _keptAt = DateTimeOffset.MinValue;

    /// <summary>
    /// Keeps what the node lives by now. A lease of our own that is new is kept at once: what is written down for containers has to be what the next start
    /// begins with, and the etcd lease is how it knows its own key. Peers may wait.
    /// </summary>
    /// <returns>When to come again, because something was kept only a moment ago; null when there is no need.</returns>
    public TimeSpan? Keep(AgentInputs inputs, NodeFacts node)
    {
        if (IsKept(inputs))
            return null;
        var left = _keptAt + Pause - time.GetUtcNow();
        if (left > TimeSpan.Zero && left <= Pause && Lease(inputs) == Lease(_kept))
            return left;
        Write(inputs, node);
        return null;
    }

    /// <summary>Keeps what the node lived by last, when the agent ends.</summary>
    public void KeepLast(AgentInputs inputs, NodeFacts node)
    {
        if (!IsKept(inputs))
            Write(inputs, node);
    }

    private static (SubnetKey? Key, long? EtcdLease) Lease(AgentInputs? inputs) => (inputs?.Own?.Lease.Key, inputs?.Own?.Lease.EtcdLease);

    private bool IsKept(AgentInputs inputs) => _kept is { } kept && ReferenceEquals(kept.Leases, inputs.Leases) && ReferenceEquals(kept.Own, inputs.Own)
        && ReferenceEquals(kept.Config, inputs.Config);

    private void Write(AgentInputs inputs, NodeFacts node)
    {
        if (SavedState.From(inputs, options.EtcdPrefix, MachineIdentity.Of(node.LinkAddress)) is not { } state)
            return;
        (_kept, _keptAt) = (inputs, time.GetUtcNow());
        try
        {
            file.Save(state);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotKept(file.FilePath, e.Message);
        }
    }

    [LoggerMessage(3009, LogLevel.Warning, "{Path} cannot be written, so this node cannot start without etcd: {Error}")]
    private partial void LogNotKept(string path, string error);
}
