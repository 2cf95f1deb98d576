using System.Diagnostics;

namespace Accelerated.Lab;

/// <summary>Waiting for conditions. Nothing in the lab waits for a fixed time.</summary>
public static class Wait
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>The deadline used where none is given: generous, because it is only met when something is broken.</summary>
    public static TimeSpan DefaultDeadline { get; } = TimeSpan.FromSeconds(20);

    /// <summary>Polls until <paramref name="condition"/> holds.</summary>
    /// <param name="what">Completes the sentence "waited 20 s for …".</param>
    /// <param name="condition">Looked at every few milliseconds; an exception it throws ends the wait.</param>
    /// <param name="deadline">How long to wait at most; <see cref="DefaultDeadline"/> if null.</param>
    /// <param name="explain">What to add to the error when the deadline passes, such as the end of a log.</param>
    /// <param name="cancel">Ends the wait early.</param>
    /// <exception cref="LabException">The deadline passed.</exception>
    public static async Task UntilAsync(
        string what, Func<Task<bool>> condition, TimeSpan? deadline = null, Func<string>? explain = null,
        CancellationToken cancel = default)
    {
        var limit = deadline ?? DefaultDeadline;
        var watch = Stopwatch.StartNew();
        var pause = FirstPause;
        while (!await condition())
        {
            if (watch.Elapsed >= limit)
                throw new LabException($"waited {limit.TotalSeconds:0.#} s for {what}\n{explain?.Invoke()}".TrimEnd());
            await Task.Delay(pause, cancel);
            pause = pause * 1.5 < LongestPause ? pause * 1.5 : LongestPause;
        }
    }

    /// <summary>The same for a condition that needs no waiting of its own.</summary>
    /// <inheritdoc cref="UntilAsync(string, Func{Task{bool}}, TimeSpan?, Func{string}?, CancellationToken)"/>
    public static Task UntilAsync(
        string what, Func<bool> condition, TimeSpan? deadline = null, Func<string>? explain = null,
        CancellationToken cancel = default) =>
        UntilAsync(what, () => Task.FromResult(condition()), deadline, explain, cancel);
}
