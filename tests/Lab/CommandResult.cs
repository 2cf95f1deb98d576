namespace Accelerated.Lab;

/// <summary>What a finished command left behind.</summary>
/// <param name="CommandLine">The command as a person would type it, for messages.</param>
/// <param name="ExitCode">0 on success; 128 + n if signal n ended it.</param>
/// <param name="Stdout">All of its standard output.</param>
/// <param name="Stderr">All of its standard error.</param>
public sealed record CommandResult(string CommandLine, int ExitCode, string Stdout, string Stderr)
{
    /// <summary>Whether the command exited with 0.</summary>
    public bool Succeeded => ExitCode == 0;

    /// <summary>This result, if the command succeeded.</summary>
    /// <exception cref="LabException">It failed; the message holds the command line, its exit code and its stderr.</exception>
    public CommandResult OrThrow()
    {
        if (Succeeded)
            return this;
        var said = Stderr.Trim() is { Length: > 0 } stderr ? stderr : Stdout.Trim();
        throw new LabException($"command failed with exit code {ExitCode}: {CommandLine}\n{said}".TrimEnd());
    }
}
