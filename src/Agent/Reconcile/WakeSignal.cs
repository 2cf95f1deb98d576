using System.Threading.Channels;

namespace Accelerated.Agent.Reconcile;

/// <summary>Wakes one waiter. Any number of calls before it looks count as one.</summary>
public sealed class WakeSignal
{
    private readonly Channel<bool> _channel = Channel.CreateBounded<bool>(new BoundedChannelOptions(1)
    {
        FullMode = BoundedChannelFullMode.DropWrite,
        SingleReader = true,
    });

    /// <summary>Asks the waiter to look again. Never blocks; callable from any thread.</summary>
    public void Wake() => _channel.Writer.TryWrite(true);

    /// <summary>Waits for a call of <see cref="Wake"/> or until <paramref name="limit"/> has passed.</summary>
    /// <returns>True when woken, false when the time ran out.</returns>
    public async Task<bool> WaitAsync(TimeSpan limit, TimeProvider time, CancellationToken cancellation)
    {
        if (_channel.Reader.TryRead(out _))
            return true;
        using var timeout = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellation);
        try
        {
            await _channel.Reader.ReadAsync(either.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
    }
}
