using Accelerated.Agent.Reconcile;

namespace Accelerated.Agent.Tests.Reconcile;

public sealed class WakeSignalTests
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);
    private readonly ManualTime _time = new();
    private readonly WakeSignal _signal = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task WaitAsync_AfterAnyNumberOfWakes_ReturnsOnce()
    {
        for (var i = 0; i < 1000; i++)
            _signal.Wake();

        Assert.True(await _signal.WaitAsync(Long, _time, Ct));
        Assert.False(await _signal.WaitAsync(TimeSpan.Zero, _time, Ct));
    }

    [Fact]
    public async Task WaitAsync_WithoutAWake_ReturnsWhenTheTimeIsUp()
    {
        var wait = _signal.WaitAsync(Long, _time, Ct);

        _time.Advance(Long - TimeSpan.FromTicks(1));
        Assert.False(wait.IsCompleted);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.False(await wait);
        Assert.Null(_time.NextDue);
    }

    [Fact]
    public async Task WaitAsync_WokenWhileItWaits_ReturnsBeforeTheTimeIsUp()
    {
        var wait = _signal.WaitAsync(Long, _time, Ct);
        Assert.False(wait.IsCompleted);

        await Task.Run(_signal.Wake, Ct);

        Assert.True(await wait);
        Assert.Null(_time.NextDue); // The timer is gone too.
    }

    [Fact]
    public async Task WaitAsync_Cancelled_Throws()
    {
        using var stop = new CancellationTokenSource();
        var wait = _signal.WaitAsync(Long, _time, stop.Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        _signal.Wake();
        Assert.True(await _signal.WaitAsync(Long, _time, Ct));
    }

    // A wake that comes while the waiter is busy must not be lost: the next look is after it.
    [Fact]
    public async Task Wake_FromManyThreads_IsNeverLost()
    {
        var wanted = 0;
        var wakers = Enumerable.Range(0, 4).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 5_000; i++)
                {
                    Interlocked.Increment(ref wanted);
                    _signal.Wake();
                }
            },
            Ct)).ToArray();
        for (var seen = 0; seen < 20_000; seen = Volatile.Read(ref wanted))
            Assert.True(await _signal.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System, Ct), $"asleep at {seen} of {wanted}");
        await Task.WhenAll(wakers);
    }
}
