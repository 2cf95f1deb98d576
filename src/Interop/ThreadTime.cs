using Accelerated.Interop.Native;

namespace Accelerated.Interop;

/// <summary>What a thread has used of the CPUs.</summary>
public static unsafe class ThreadTime
{
    private const long NanosecondsPerTick = 100;

    /// <summary>User and system time of the calling thread so far (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID): waiting does not count.</summary>
    public static TimeSpan Used
    {
        get
        {
            // Cannot fail: the clock is there since Linux 2.6.12.
            Timespec now;
            _ = Libc.clock_gettime(Libc.CLOCK_THREAD_CPUTIME_ID, &now);
            return TimeSpan.FromSeconds(now.Seconds) + TimeSpan.FromTicks(now.Nanoseconds / NanosecondsPerTick);
        }
    }
}
