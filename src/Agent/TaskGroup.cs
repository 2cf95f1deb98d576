namespace Accelerated.Agent;

/// <summary>Tasks that live and die together.</summary>
internal static class TaskGroup
{
    /// <summary>
    /// Waits until the first of the tasks ends, cancels the others, waits for them too, and ends as the first one did. Tasks that
    /// run "until cancelled" thus never fail unseen.
    /// </summary>
    public static async Task RunAsync(CancellationTokenSource stop, params Task[] tasks)
    {
        var first = await Task.WhenAny(tasks).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        foreach (var task in tasks)
            await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first.ConfigureAwait(false);
    }
}
