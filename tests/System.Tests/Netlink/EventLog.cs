using System.Collections.Concurrent;

namespace Accelerated.System.Tests.Netlink;

/// <summary>What a monitor told, and a way to wait for something in it.</summary>
internal sealed class EventLog<T> : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly BlockingCollection<T> _queue = [];
    private readonly List<T> _seen = [];

    public void Add(T item) => _queue.Add(item);

    /// <summary>The first event, from the last one waited for onwards, that satisfies a condition; fails the test with all that came if none does.</summary>
    public T Await(Func<T, bool> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        try
        {
            while (true)
            {
                var item = _queue.Take(deadline.Token);
                _seen.Add(item);
                if (condition(item))
                    return item;
            }
        }
        catch (OperationCanceledException)
        {
            throw new InvalidOperationException($"not told within {Patience}; told was: {string.Join("; ", _seen)}");
        }
    }

    public void Dispose() => _queue.Dispose();
}
