namespace Accelerated.Agent.Cli;

/// <summary>The command line or the environment is wrong. The message begins with the flag or variable at fault.</summary>
public sealed class CommandLineException : Exception
{
    /// <inheritdoc cref="CommandLineException"/>
    public CommandLineException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="CommandLineException"/>
    public CommandLineException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
