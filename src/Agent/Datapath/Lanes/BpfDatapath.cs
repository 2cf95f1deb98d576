using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// The eBPF lanes, laid over the kernel's driver. The driver's device stays fully programmed in every pass, so whatever a lane does
/// not understand, and everything while the lanes are unavailable, is carried by the driver.
/// </summary>
public sealed class BpfDatapath(KernelDatapath kernel, RouteSocket routes, LaneOptions options, TimeProvider time) : IDatapath, IDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(5);

    private readonly LaneHooks _hooks = new();
    private LaneProgram? _program;
    private string? _unavailable = "not tried yet";
    private TimeSpan _pause = FirstRetry;
    private DateTimeOffset _retryAt = DateTimeOffset.MinValue;

    /// <inheritdoc/>
    public string Name => _unavailable is null ? "bpf" : kernel.Name;

    /// <inheritdoc/>
    public string Reason => _unavailable is { } reason ? $"the eBPF lanes are off: {reason}"
        : options.TunnelIn ? "lane 1 out and in" : "lane 1 out; the driver decapsulates";

    /// <inheritdoc/>
    public IReadOnlyList<LaneStatus> Lanes()
    {
        try
        {
            return Volatile.Read(ref _program) is { } program ? LaneCounts.Read(program) : [];
        }
        catch (Exception e) when (e is ObjectDisposedException or NativeException)
        {
            // The loop stepped down this very moment.
            return [];
        }
    }

    /// <inheritdoc/>
    public DatapathReport Apply(DesiredState desired)
    {
        var report = kernel.Apply(desired);
        if (_unavailable is not null && time.GetUtcNow() < _retryAt)
            return report;
        try
        {
            var changes = ApplyLanes(desired);
            (_unavailable, _pause) = (null, FirstRetry);
            return report with { Changes = [.. report.Changes, .. changes] };
        }
        catch (LanesUnavailableException e)
        {
            StepDown(e.Message);
        }
        catch (Exception e) when (e is NativeException or IOException or UnauthorizedAccessException)
        {
            StepDown(e.Message);
        }

        return report with { RetryAfter = Earlier(report.RetryAfter, _retryAt - time.GetUtcNow()) };
    }

    /// <summary>Takes away the lanes that an earlier agent of this instance left attached; nothing happens when there are none.</summary>
    public static void Detach(LaneOptions options) => LaneProgram.Remove(options.PinDirectory);

    /// <summary>Lets go of the programs; what is pinned goes on carrying packets.</summary>
    public void Dispose()
    {
        _hooks.Dispose();
        _program?.Dispose();
    }

    private List<string> ApplyLanes(DesiredState desired)
    {
        _program ??= LaneProgram.Load(options);
        var changes = new List<string>();
        // One device: IPv4. The maps' addresses have room for both families.
        var device = desired.Devices[0];
        if (device.Learning || device.Gbp)
            throw new LanesUnavailableException($"Backend.{(device.Gbp ? "GBP" : "Learning")} in the network config needs the driver");
        var index = routes.FindLink(device.Name)?.Index ?? throw new LanesUnavailableException($"{device.Name} is not there");
        changes.AddRange(LaneMaps.Apply(_program, device, index, options, desired.Firewall.Guard, desired.MayPrune));
        // Links last: a program runs only when the maps say what it needs.
        if (_hooks.Ensure(_program.UnderlayIn, device.UnderlayIndex, TcxHook.Ingress, _program.Directory) is { } inbound)
            changes.Add(inbound);
        if (_hooks.Ensure(_program.OverlayOut, index, TcxHook.Egress, _program.Directory) is { } outbound)
            changes.Add(outbound);
        changes.AddRange(_program.RemoveOtherSchemas());
        return changes;
    }

    /// <summary>The driver takes over the moment the links are gone; the lanes are tried again later, in case the reason goes away.</summary>
    private void StepDown(string reason)
    {
        try
        {
            _hooks.DetachAll();
        }
        catch (IOException)
        {
            // ignoring: a pin that cannot be removed keeps its program, whose maps still lead to the same peers.
        }

        _program?.Dispose();
        _program = null;
        _unavailable = reason;
        _retryAt = time.GetUtcNow() + _pause;
        _pause = _pause * 2 < LongestRetry ? _pause * 2 : LongestRetry;
    }

    private static TimeSpan Earlier(TimeSpan? a, TimeSpan b) => a is { } other && other < b ? other : b;
}
