namespace Accelerated.Agent;

/// <summary>
/// The agent cannot go on and an operator has to act. The message says what is wrong, names the flag or key and ends with the remedy;
/// the process ends with <see cref="ExitCode"/>.
/// </summary>
public sealed class AgentFaultException : Exception
{
    /// <summary>A fault that ends the process with exit code 1, as flannel's start-up errors do.</summary>
    public AgentFaultException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="AgentFaultException(string)"/>
    public AgentFaultException(string message, Exception cause)
        : base(message, cause)
    {
    }

    /// <summary>The process's exit code.</summary>
    public int ExitCode { get; init; } = ExitCodes.Failure;
}
