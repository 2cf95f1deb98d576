namespace Accelerated.Agent.Node;

/// <summary>What to do when this node's subnet is another than <c>subnet.env</c> said (<c>--on-subnet-change</c>).</summary>
public enum SubnetChangePolicy
{
    /// <summary>Only say so.</summary>
    Notify,

    /// <summary>Restart the units of <c>--restart-units</c> that run.</summary>
    RestartUnits,

    /// <summary>End with <see cref="ExitCodes.SubnetChanged"/>, so that systemd starts the agent and what depends on it.</summary>
    Exit,
}

/// <summary>What the operator asked for.</summary>
/// <param name="Policy">What to do.</param>
/// <param name="Units">systemd units, for <see cref="SubnetChangePolicy.RestartUnits"/>.</param>
public sealed record SubnetChangeOptions(SubnetChangePolicy Policy, IReadOnlyList<string> Units);
