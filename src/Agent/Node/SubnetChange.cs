using System.Net;
using Accelerated.Agent.Bus;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Node;

/// <summary>
/// Tells those who made something of the old subnet. Containers keep their addresses until they are made anew, and nobody outside this host
/// reaches these any more; that is why a node keeps its subnet as long as it can.
/// </summary>
public sealed partial class SubnetChange(AgentOptions options, InputStore store, UnitRestarter restarter, ILogger<SubnetChange> log)
{
    /// <summary>Code of the problem shown when units could not be restarted.</summary>
    public const string NotRestarted = "restart-units";

    /// <summary>Does what <c>--on-subnet-change</c> says. <c>subnet.env</c> is written already.</summary>
    /// <exception cref="AgentFaultException">The process is to end.</exception>
    public void Announce(IPNetwork before, IPNetwork now)
    {
        switch (options.SubnetChange.Policy)
        {
            case SubnetChangePolicy.Exit:
                throw new AgentFaultException($"this node's subnet was {before} and is {now}: ending, as --on-subnet-change=exit says; {options.SubnetFile} is written") { ExitCode = ExitCodes.SubnetChanged };
            case SubnetChangePolicy.RestartUnits:
                LogRestarting(before, now, string.Join(", ", options.SubnetChange.Units));
                _ = RestartAsync();
                break;
            case SubnetChangePolicy.Notify:
                LogChanged(before, now, options.SubnetFile);
                break;
        }
    }

    /// <summary>systemd restarts those that run, and does so by itself: the agent need not wait, and Docker may wait for the agent.</summary>
    private async Task RestartAsync()
    {
        var failure = await restarter.TryRestartAsync(options.SubnetChange.Units).ConfigureAwait(false);
        if (failure is null)
        {
            store.Resolve(NotRestarted);
            return;
        }

        var units = string.Join(' ', options.SubnetChange.Units);
        var problem = new Problem(ProblemSeverity.Degraded, NotRestarted, $"this node's subnet has changed, and the units of --restart-units were not restarted: {failure}", $"systemctl try-restart {units}");
        LogFailed(problem.Message, problem.Remedy);
        store.Report(problem);
    }

    [LoggerMessage(1401, LogLevel.Warning, "this node's subnet was {Before} and is {Now}: {File} is written anew, and containers and bridges made before keep addresses that nobody reaches")]
    private partial void LogChanged(IPNetwork before, IPNetwork now, string file);

    [LoggerMessage(1402, LogLevel.Warning, "this node's subnet was {Before} and is {Now}: restarting {Units}")]
    private partial void LogRestarting(IPNetwork before, IPNetwork now, string units);

    [LoggerMessage(1403, LogLevel.Error, "{Problem}: {Remedy}")]
    private partial void LogFailed(string problem, string remedy);
}
