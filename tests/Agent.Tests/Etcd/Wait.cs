using System.Diagnostics;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>Waits for conditions, never for a time.</summary>
internal static class Wait
{
    internal static async Task UntilAsync(Func<Task<bool>> condition, TimeSpan limit, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            Assert.True(clock.Elapsed < limit, $"not within {limit.TotalSeconds} s: {what}");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
    }

    /// <summary>Reads a watch until it has given this many events.</summary>
    internal static async Task<List<EtcdWatchEvent>> EventsAsync(IAsyncEnumerator<EtcdWatchBatch> watch, int count)
    {
        var events = new List<EtcdWatchEvent>();
        while (events.Count < count)
        {
            Assert.True(await watch.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20)));
            events.AddRange(watch.Current.Events);
        }

        return events;
    }

    /// <summary>Waits for a watch to fail, and not for ever.</summary>
    internal static Task<EtcdException> FailureAsync(ValueTask<bool> next) =>
        Assert.ThrowsAnyAsync<EtcdException>(() => next.AsTask().WaitAsync(TimeSpan.FromSeconds(20)));
}
