namespace Accelerated.Agent.Node;

/// <summary>No usable underlay interface. The message begins with the flag at fault and ends with the remedy.</summary>
public sealed class UnderlayException : Exception
{
    /// <inheritdoc cref="UnderlayException"/>
    public UnderlayException(string message)
        : base(message)
    {
    }
}
