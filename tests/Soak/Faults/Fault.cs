using Accelerated.Lab;

namespace Accelerated.Soak.Faults;

/// <summary>Something that goes wrong: how it is made and undone, and what it may have as a consequence.</summary>
internal abstract class Fault(SoakLab lab, LabNode? node)
{
    /// <summary>In few words.</summary>
    public abstract string Name { get; }

    /// <summary>Where; null where it meets all nodes alike.</summary>
    public LabNode? Node => node;

    /// <summary>What it may cost.</summary>
    public virtual Loss Loss => Loss.None;

    /// <summary>How long it lasts at most before it is undone; zero where there is nothing to undo.</summary>
    public virtual TimeSpan Longest => TimeSpan.Zero;

    /// <summary>What no other fault may hold meanwhile, so that each finds what it changes.</summary>
    public abstract IReadOnlyList<string> Claims { get; }

    /// <summary>Log lines of level warn and above that it explains, as regular expressions; on its node, or everywhere if it has none.</summary>
    public virtual IReadOnlyList<string> Explains => [];

    /// <summary>Whether the node's agent does nothing while it lasts, so that what else happens is repaired later.</summary>
    public virtual bool SilencesAgent => false;

    /// <summary>Whether the node, or every node, is without etcd while it lasts.</summary>
    public virtual bool CutsEtcd => false;

    /// <summary>Whether other nodes hear of its end through etcd, so that it is over for them only when both they and etcd are there.</summary>
    public virtual bool IsToldThroughEtcd => false;

    /// <summary>Whether a node may meet it once in a run only.</summary>
    public virtual bool IsRare => false;

    /// <summary>Where it happens, for people.</summary>
    public string Place => node is null ? "the lab" : $"node {node.Number}";

    /// <summary>The lab.</summary>
    protected SoakLab Soak => lab;

    /// <summary>Makes it.</summary>
    /// <param name="random">For what it leaves open.</param>
    /// <param name="cancel">Ends the run.</param>
    /// <returns>What exactly was done, or why there was nothing to do.</returns>
    public abstract Task<string> DoAsync(Random random, CancellationToken cancel);

    /// <summary>Takes it back.</summary>
    public virtual Task UndoAsync(CancellationToken cancel) => Task.CompletedTask;

    /// <summary>A claim on a part of a node.</summary>
    protected static string Part(string what, LabNode node) => $"{what} of node {node.Number}";
}
