namespace Accelerated.Agent;

/// <summary>The exit code the process will end with.</summary>
public sealed class ExitStatus
{
    /// <summary>See <see cref="ExitCodes"/>.</summary>
    public int Code { get; set; } = ExitCodes.Success;
}
