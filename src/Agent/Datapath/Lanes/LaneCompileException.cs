namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The sources could not be compiled on this host. The message has the command and what it said.</summary>
internal sealed class LaneCompileException : Exception
{
    /// <inheritdoc cref="LaneCompileException"/>
    public LaneCompileException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="LaneCompileException"/>
    public LaneCompileException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
