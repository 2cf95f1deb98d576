namespace Accelerated.Agent.Tests.Leases;

/// <summary>
/// Actors of whom one moves at a time: each waits for its turn before every call to etcd, and who is next is drawn. Between any two calls of
/// one the others may do theirs, and the same seed gives the same order again.
/// </summary>
/// <param name="random">Draws.</param>
/// <param name="afterEach">Looks at what the one who moved has done.</param>
internal sealed class Turns(Random random, Func<string, Task> afterEach)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly List<(string Who, TaskCompletionSource Go)> _waiting = [];
    private TaskCompletionSource _over = NewSource();

    /// <summary>Waits until <paramref name="who"/> is drawn, and so ends the turn it had.</summary>
    internal Task TakeAsync(string who)
    {
        var go = NewSource();
        _waiting.Add((who, go));
        _over.TrySetResult();
        return go.Task;
    }

    /// <summary>Lets all act to their ends.</summary>
    internal async Task RunAsync(IEnumerable<Func<Task>> actors)
    {
        var running = actors.Select(ActAsync).ToList();
        while (_waiting.Count > 0)
        {
            var drawn = random.Next(_waiting.Count);
            var (who, go) = _waiting[drawn];
            _waiting.RemoveAt(drawn);
            _over = NewSource();
            go.SetResult();
            await _over.Task.WaitAsync(Limit);
            if (running.Find(r => r.IsFaulted) is { } failed)
                await failed;
            await afterEach(who);
        }

        await Task.WhenAll(running);
    }

    private async Task ActAsync(Func<Task> act)
    {
        try
        {
            await act();
        }
        finally
        {
            _over.TrySetResult();
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
