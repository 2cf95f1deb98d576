namespace Accelerated.Agent;

/// <summary>What the process's exit codes mean (docs/operations.md).</summary>
public static class ExitCodes
{
    /// <summary>All is well; also after SIGTERM and SIGINT.</summary>
    public const int Success = 0;

    /// <summary>A start-up or run-time fault; <c>status</c>: the node is not well.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong. The same code Go's flag package ends flannel with.</summary>
    public const int Usage = 2;

    /// <summary><c>status</c>: no agent answers.</summary>
    public const int NoAgent = 3;

    /// <summary>The node's subnet is another one, and <c>--on-subnet-change=exit</c> was given.</summary>
    public const int SubnetChanged = 4;

    /// <summary>Ended by Ctrl+C, as shells count it.</summary>
    public const int Interrupted = 130;
}
