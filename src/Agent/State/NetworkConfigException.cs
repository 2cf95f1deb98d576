namespace Accelerated.Agent.State;

/// <summary>The configuration in etcd cannot be used. The message begins with the key at fault and ends with the remedy.</summary>
public sealed class NetworkConfigException : Exception
{
    /// <inheritdoc cref="NetworkConfigException"/>
    public NetworkConfigException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="NetworkConfigException"/>
    public NetworkConfigException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
