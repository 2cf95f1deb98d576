namespace Accelerated.Lab;

/// <summary>
/// The lab cannot do what was asked. The message says what failed and what to do about it, and stands alone: the console
/// front prints it without a stack trace.
/// </summary>
public class LabException : Exception
{
    /// <summary>An error with nothing to say. Prefer one with a message.</summary>
    public LabException()
    {
    }

    /// <summary>An error that says what failed and what to do.</summary>
    public LabException(string message) : base(message)
    {
    }

    /// <summary>An error with its cause.</summary>
    public LabException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
