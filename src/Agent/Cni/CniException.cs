namespace Accelerated.Agent.Cni;

/// <summary>A call that cannot be served: what the runtime is told (CNI specification 1.1, "Error").</summary>
public sealed class CniException : Exception
{
    /// <summary>The configuration is of a version that this plugin, or the command, does not know.</summary>
    public const int IncompatibleVersion = 1;

    /// <summary>The container is not known: nothing has to be removed.</summary>
    public const int UnknownContainer = 3;

    /// <summary>CNI_ variables are missing or wrong.</summary>
    public const int InvalidEnvironment = 4;

    /// <summary>A file cannot be read or written.</summary>
    public const int InputOutput = 5;

    /// <summary>What was read is not what it should be: no JSON, for instance.</summary>
    public const int Undecodable = 6;

    /// <summary>The configuration says what cannot be.</summary>
    public const int InvalidConfiguration = 7;

    /// <summary>Something passing: the agent has not written its file yet.</summary>
    public const int TryAgainLater = 11;

    /// <summary>STATUS: an ADD would fail.</summary>
    public const int NotAvailable = 50;

    /// <summary>Ours: the plugin to delegate to is not there, or cannot be started.</summary>
    public const int NoDelegate = 100;

    /// <summary>Ours: the plugin delegated to failed, and said nothing that can be read.</summary>
    public const int SilentDelegate = 101;

    /// <summary>Makes the error.</summary>
    /// <param name="code">As above, or the delegate's.</param>
    /// <param name="message">What is wrong, in one line.</param>
    /// <param name="details">More about it, and what to do; or null.</param>
    /// <param name="cause">What it came of.</param>
    public CniException(int code, string message, string? details = null, Exception? cause = null)
        : base(message, cause) => (Code, Details) = (code, details);

    /// <summary>The number.</summary>
    public int Code { get; }

    /// <summary>More about it, and what to do; or null.</summary>
    public string? Details { get; }
}
