using Accelerated.Lab;

namespace Accelerated.Soak.Faults;

/// <summary>An agent is away. What it left in the kernel carries on.</summary>
internal abstract class AgentAway(SoakLab lab, LabNode node) : Fault(lab, node)
{
    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(4);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [Part("agent", Node!)];

    /// <inheritdoc/>
    public override bool SilencesAgent => true;

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel)
    {
        SoakLab.StartAgent(Node!);
        return Task.CompletedTask;
    }
}

/// <summary>It dies.</summary>
internal sealed class AgentKilled(SoakLab lab, LabNode node) : AgentAway(lab, node)
{
    /// <inheritdoc/>
    public override string Name => "agent killed";

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await Node!.KillAgentAsync();
        return "kill -9";
    }
}

/// <summary>It is stopped as systemd does it.</summary>
internal sealed class AgentStopped(SoakLab lab, LabNode node) : AgentAway(lab, node)
{
    private const int EndedBySigterm = 128 + 15;

    /// <inheritdoc/>
    public override string Name => "agent stopped";

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        var code = await Node!.StopAgentAsync();
        // Before the runtime listens for signals the kernel ends the process: to systemd that is as clean an end.
        return code is 0 or EndedBySigterm ? "SIGTERM" : throw new LabException($"the agent of {Node.Namespace} answered SIGTERM with exit code {code}\n{Node.LogTail()}");
    }
}

/// <summary>It hangs, and goes on.</summary>
internal sealed class AgentHangs(SoakLab lab, LabNode node) : AgentAway(lab, node)
{
    /// <inheritdoc/>
    public override string Name => "agent hangs";

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(8);

    // To an agent that slept, etcd's connection looks as if etcd had been silent.
    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => [@"^leases: .*; trying again until it answers"];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await SignalAsync("STOP");
        return "SIGSTOP";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => SignalAsync("CONT");

    private Task<string> SignalAsync(string signal) => Node!.RunAsync("sh", "-ec", $"kill -s {signal} {Node.AgentProcessId}");
}
