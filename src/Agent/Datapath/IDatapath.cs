using Accelerated.Agent.State;

namespace Accelerated.Agent.Datapath;

/// <summary>Carries overlay packets. The reconcile loop is the only caller; nothing here is thread-safe.</summary>
public interface IDatapath
{
    /// <summary>Name of the datapath in flags and status, for example <c>kernel</c>.</summary>
    string Name { get; }

    /// <summary>
    /// Makes the kernel equal to <paramref name="desired"/>: looks at what is there, changes only what differs. Idempotent. What fails
    /// for one peer does not keep the others waiting.
    /// </summary>
    /// <exception cref="DatapathException">The device itself cannot be had; nothing else was touched.</exception>
    DatapathReport Apply(DesiredState desired);
}
