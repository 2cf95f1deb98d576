namespace Accelerated.Interop;

/// <summary>How a program ended, and what it wrote.</summary>
/// <param name="Status">As wait(2) gives it.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Errors">Its standard error.</param>
public sealed record ChildResult(int Status, byte[] Output, byte[] Errors)
{
    /// <summary>Its exit code; null if a signal ended it.</summary>
    public int? ExitCode => (Status & 0x7f) == 0 ? (Status >> 8) & 0xff : null;

    /// <summary>The signal that ended it; null if it exited.</summary>
    public int? Signal => (Status & 0x7f) is > 0 and var signal ? signal : null;
}
