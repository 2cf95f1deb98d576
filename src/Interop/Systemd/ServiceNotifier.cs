using System.Diagnostics;
using System.Globalization;

namespace Accelerated.Interop.Systemd;

/// <summary>
/// What the service manager is told, and how often it wants to hear (sd_notify(3), sd_watchdog_enabled(3)). Outside of a service, or
/// without libsystemd, nobody listens and nothing happens.
/// </summary>
public static class ServiceNotifier
{
    private const long MicrosecondsPerSecond = 1_000_000;

    /// <summary>Whether a service manager listens.</summary>
    public static bool IsSupervised { get; } = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NOTIFY_SOCKET")) && Libsystemd.IsInstalled;

    /// <summary>How long the service manager waits for <c>WATCHDOG=1</c> (<c>WatchdogSec=</c>); null if it does not.</summary>
    public static unsafe TimeSpan? WatchdogLimit
    {
        get
        {
            ulong microseconds = 0;
            return IsSupervised && Libsystemd.sd_watchdog_enabled(0, &microseconds) > 0 && microseconds > 0 ? TimeSpan.FromMicroseconds(microseconds) : null;
        }
    }

    /// <summary>Sends assignments, such as <c>READY=1</c>. Safe from any thread.</summary>
    /// <param name="assignments">One each; a line break in one would begin another, so it becomes a space.</param>
    public static void Send(params ReadOnlySpan<string> assignments)
    {
        if (!IsSupervised)
            return;
        var lines = new string[assignments.Length];
        for (var i = 0; i < lines.Length; i++)
            lines[i] = assignments[i].ReplaceLineEndings(" ");
        // ignoring: a service manager that cannot be reached is being replaced (daemon-reexec) or gone; there is nobody to tell.
        _ = Libsystemd.sd_notify(0, string.Join('\n', lines));
    }

    /// <summary><c>MONOTONIC_USEC=</c> of now: what <c>RELOADING=1</c> has to come with where the unit is <c>Type=notify-reload</c>.</summary>
    /// <remarks>On Linux the runtime's Stopwatch reads CLOCK_MONOTONIC, which is the clock systemd compares with.</remarks>
    public static string MonotonicNow => string.Create(CultureInfo.InvariantCulture, $"MONOTONIC_USEC={Stopwatch.GetTimestamp() / (Stopwatch.Frequency / MicrosecondsPerSecond)}");
}
