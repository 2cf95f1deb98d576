using Accelerated.Interop.Systemd;

namespace Accelerated.Agent.Systemd;

/// <summary>
/// The service manager's watchdog (<c>WatchdogSec=</c>). Only the reconcile loop feeds it, before a pass and while it waits for a reason for
/// the next one: a loop that hangs starves it, one that has nothing to do does not.
/// </summary>
public sealed class ServiceWatchdog(TimeProvider time)
{
    // sd_watchdog_enabled(3) wants half the limit at most; a third bears one that comes late.
    private const int Share = 3;

    private readonly TimeSpan? _interval = ServiceNotifier.WatchdogLimit / Share;
    private long? _fedAt;

    /// <summary>Tells the service manager that the loop is alive, if it is time to.</summary>
    /// <returns>When to call again; null if nobody watches.</returns>
    public TimeSpan? Beat()
    {
        if (_interval is not { } interval)
            return null;
        var left = _fedAt is { } fed ? interval - time.GetElapsedTime(fed) : TimeSpan.Zero;
        if (left > TimeSpan.Zero)
            return left;
        ServiceNotifier.Send("WATCHDOG=1");
        _fedAt = time.GetTimestamp();
        return interval;
    }
}
