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

    /// <summary>What an operator can do about it.</summary>
    public string Remedy { get; init; } = "nothing, if it passes: the agent tries again within seconds";

    /// <summary>Whether it stays for as long as this process runs: capabilities, or what the kernel is.</summary>
    public bool IsLasting { get; init; }
}
