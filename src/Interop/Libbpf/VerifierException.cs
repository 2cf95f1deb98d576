namespace Accelerated.Interop.Libbpf;

/// <summary>The kernel's verifier refused a program. The message ends with the last lines of its log; <see cref="Log"/> has all of it.</summary>
public sealed class VerifierException : NativeException
{
    private const int LinesShown = 4;

    /// <summary>Makes the exception for one program.</summary>
    /// <param name="program">The name of the function.</param>
    /// <param name="errno">The positive error number: EACCES or EINVAL for the verifier, EPERM for a missing capability.</param>
    /// <param name="log">What the verifier wrote.</param>
    public VerifierException(string program, int errno, string log)
        : base($"load BPF program {program}", errno, LastLines(log))
    {
        Program = program;
        Log = log;
    }

    /// <summary>The program that was refused.</summary>
    public string Program { get; }

    /// <summary>The verifier's whole log.</summary>
    public string Log { get; }

    // The statistics at the end tell nothing about the cause.
    private static string LastLines(string log) =>
        string.Join(
            Environment.NewLine,
            log.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Where(line => !line.StartsWith("processed ", StringComparison.Ordinal))
                .TakeLast(LinesShown));
}
