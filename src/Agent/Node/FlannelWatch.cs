using Accelerated.Agent.Cli;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Node;

/// <summary>
/// Looks now and then whether a flanneld was started beside the agent, and whether rules of an earlier one are left: nobody tells of
/// either. What it finds is a problem in the status; it changes nothing.
/// </summary>
public sealed class FlannelWatch(AgentOptions options, InputStore store, TimeProvider time)
{
    /// <summary>Code of the problem shown while a flanneld of the same network runs.</summary>
    public const string Daemon = "flanneld";

    /// <summary>Code of the problem shown while rules of flannel's are left.</summary>
    public const string Rules = "flannel-rules";

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using var rules = new FlannelRules();
        for (; ; )
        {
            Look(rules);
            await Task.Delay(Interval, time, cancellation).ConfigureAwait(false);
        }
    }

    private void Look(FlannelRules rules)
    {
        if (FlanneldProcess.FindRival(options.EtcdPrefix) is { } rival)
            store.Report(new Problem(ProblemSeverity.Critical, Daemon, rival.Describe(options.EtcdPrefix), rival.Remedy));
        else
            store.Resolve(Daemon);
        try
        {
            var found = rules.Find();
            if (found.Count > 0)
                store.Report(new Problem(ProblemSeverity.Warning, Rules, $"flannel has left rules here that nobody keeps: {string.Join(", ", found)}", "accelerated cleanup --flannel"));
            else
                store.Resolve(Rules);
        }
        catch (Exception e) when (e is NativeException or NativeLibraryMissingException or NftablesException or IOException or UnauthorizedAccessException)
        {
            // ignoring: what cannot be read is said where it matters, by the firewall and the lanes; this is a courtesy.
            store.Resolve(Rules);
        }
    }
}
