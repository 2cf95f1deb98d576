namespace Accelerated.Agent.State;

/// <summary>How bad a problem is for the packets of the node's containers.</summary>
public enum ProblemSeverity
{
    /// <summary>All traffic flows; something deserves attention.</summary>
    Warning,

    /// <summary>Part of the traffic, or the reaction to changes, is affected.</summary>
    Degraded,

    /// <summary>The node's containers cannot reach other hosts, or soon will not.</summary>
    Critical,
}
