namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The eBPF lanes cannot run here or now. The message is the reason status shows; the kernel's driver carries on.</summary>
public sealed class LanesUnavailableException : Exception
{
    /// <inheritdoc cref="LanesUnavailableException"/>
    public LanesUnavailableException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="LanesUnavailableException"/>
    public LanesUnavailableException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
