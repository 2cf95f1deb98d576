using System.Numerics;
using Accelerated.Interop;

namespace Accelerated.Agent.Node;

/// <summary>
/// Gives memory back once a burst of work is over. The runtime collects when it needs room, and a quiet agent never does: what a start
/// or a thousand new peers left behind would be kept for good.
/// </summary>
public sealed class IdleMemory(TimeProvider time)
{
    /// <summary>Less is not worth a collection.</summary>
    private const long WorthIt = 4 << 20;

    /// <summary>More than this in one <see cref="Interval"/> is work that still goes on.</summary>
    private const long Calm = 256 << 10;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var (given, seen, calm) = (0L, 0L, 0u);
        for (; ; )
        {
            await Task.Delay(Interval, time, cancellation).ConfigureAwait(false);
            var allocated = GC.GetTotalAllocatedBytes();
            calm = allocated - seen < Calm ? calm + 1 : 0;
            seen = allocated;
            if (calm > 0 && allocated - given >= WorthIt)
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                (given, calm) = (allocated, 1);
            }

            // Again and again, ever more rarely: the runtime compiles what runs often when the work is over, and what that took is free after it.
            if (BitOperations.IsPow2(calm))
                NativeHeap.Trim();
        }
    }
}
