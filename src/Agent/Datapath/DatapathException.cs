namespace Accelerated.Agent.Datapath;

/// <summary>The overlay device cannot be made or is not ours. The message says what stands in the way and what to do.</summary>
public sealed class DatapathException : Exception
{
    /// <inheritdoc cref="DatapathException"/>
    public DatapathException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="DatapathException"/>
    public DatapathException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
