using System.ComponentModel;
using System.Diagnostics;
using Accelerated.Interop.Systemd;

namespace Accelerated.Agent.Bus;

/// <summary>
/// Restarts those of some units that run, as <c>systemctl --no-block try-restart</c> does: over the system bus, and by systemctl itself where there
/// is none, which has a way to systemd of its own.
/// </summary>
public sealed class UnitRestarter(TimeProvider time) : IBusClient
{
    private const string Systemd = "org.freedesktop.systemd1";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private SystemBus? _bus;

    /// <inheritdoc/>
    public void Join(SystemBus bus) => Volatile.Write(ref _bus, bus);

    /// <inheritdoc/>
    public void Look(SystemBus bus)
    {
        // Only when told to.
    }

    /// <inheritdoc/>
    public void Leave() => Volatile.Write(ref _bus, null);

    /// <summary>Has them restarted; when that is done is systemd's business, and one of them may be waiting for the agent.</summary>
    /// <returns>Why it cannot be; null if it is under way.</returns>
    public async Task<string?> TryRestartAsync(IReadOnlyList<string> units)
    {
        if (Volatile.Read(ref _bus) is not { } bus)
            return await TryCommandAsync(units).ConfigureAwait(false);
        var done = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        bus.Post(() => done.SetResult(TryBus(bus, units)));
        try
        {
            return await done.Task.WaitAsync(Limit, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return $"the system bus did not answer within {Limit.TotalSeconds:0} s";
        }
    }

    private static string? TryBus(SystemBus bus, IReadOnlyList<string> units)
    {
        var refused = new List<string>();
        foreach (var unit in units)
        {
            try
            {
                bus.Call(Systemd, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "TryRestartUnit", null, BusValue.Of(unit), BusValue.Of("replace"));
            }
            catch (BusException e)
            {
                refused.Add($"{unit}: {e.Message}");
            }
        }

        return refused.Count == 0 ? null : string.Join("; ", refused);
    }

    private async Task<string?> TryCommandAsync(IReadOnlyList<string> units)
    {
        var start = new ProcessStartInfo("systemctl", ["--no-block", "--no-ask-password", "try-restart", "--", .. units])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        try
        {
            using var process = Process.Start(start)!;
            using var output = process.StandardOutput;
            using var error = process.StandardError;
            using var limit = new CancellationTokenSource(Limit, time);
            try
            {
                var says = error.ReadToEndAsync(limit.Token);
                await output.ReadToEndAsync(limit.Token).ConfigureAwait(false);
                await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
                return process.ExitCode == 0 ? null : $"systemctl: {(await says.ConfigureAwait(false)).ReplaceLineEndings(" ").Trim()}";
            }
            catch (OperationCanceledException)
            {
                process.Kill();
                return $"systemctl did not end within {Limit.TotalSeconds:0} s";
            }
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            return $"systemctl cannot be run: {e.Message}";
        }
    }
}
