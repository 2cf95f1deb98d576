using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// The eBPF lanes, laid over the kernel's driver. The driver's device stays fully programmed in every pass, so whatever a lane does
/// not understand, and everything while the lanes are unavailable, is carried by the driver.
/// </summary>
public sealed class BpfDatapath(KernelDatapath kernel, RouteSocket routes, LaneOptions options, PolicyWatch policy, TimeProvider time) : IDatapath, IDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(5);

    private readonly LaneHooks _hooks = new();
    private readonly Shortcut _shortcut = new(options, routes, policy, time);
    private LaneProgram? _program;
    private string? _unavailable = "not tried yet";
    private TimeSpan _pause = FirstRetry;
    private DateTimeOffset _retryAt = DateTimeOffset.MinValue;

    /// <inheritdoc/>
    public string Name => _unavailable is null ? "bpf" : kernel.Name;

    /// <inheritdoc/>
    public string Reason => _unavailable is { } reason ? $"the eBPF lanes are off: {reason}"
        : $"{(options.TunnelIn ? "lane 1 out and in" : "lane 1 out; the driver decapsulates")}; {(_shortcut.Closed is { } closed ? $"lane 2 closed: {closed}" : "lane 2 out and in")}";

    /// <inheritdoc/>
    public AcceptMark? Mark => _shortcut.Mark;

    /// <inheritdoc/>
    public DatapathUsage Usage()
    {
        try
        {
            if (Volatile.Read(ref _program) is not { } program)
                return DatapathUsage.None;
            var view = _shortcut.View;
            return new(
                LaneCounts.Read(program, options.TunnelIn ? null : "the driver decapsulates (--tunnel-in)", _shortcut.Closed),
                LaneCounts.ReadPeers(program),
                [
                    .. view.Endpoints.Values.Select(e => new ContainerStatus(e.Address.ToString(), e.PortName, null)),
                    .. view.LeftOut.Select(l => new ContainerStatus(l.Key, null, l.Value)),
                ]);
        }
        catch (Exception e) when (e is ObjectDisposedException or NativeException)
        {
            // The loop stepped down this very moment.
            return DatapathUsage.None;
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
            var followed = new List<string>();
            var changes = ApplyLanes(desired, followed);
            (_unavailable, _pause) = (null, FirstRetry);
            var containers = _shortcut.View.Endpoints.Values;
            return report with
            {
                Changes = [.. report.Changes, .. changes],
                Followed = followed,
                Interfaces = new HashSet<int>([.. report.Interfaces, .. containers.Select(c => c.Port), .. containers.Select(c => c.GatewayIndex)]),
                Containers = _shortcut.Closed is null ? desired.Devices[0].Subnet : null,
            };
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

    /// <inheritdoc/>
    public TimeSpan? Beat()
    {
        if (_shortcut.Closed is not null)
            return null;
        try
        {
            _shortcut.Beat();
        }
        catch (NativeException)
        {
            // ignoring: the terms run out, and the next pass says why.
        }

        return Shortcut.BeatInterval;
    }

    /// <summary>Takes away the lanes that an earlier agent of this instance left attached; nothing happens when there are none.</summary>
    public static void Detach(LaneOptions options) => LaneProgram.Remove(options.PinDirectory);

    /// <summary>Lets go of the programs; what is pinned goes on carrying packets.</summary>
    public void Dispose()
    {
        _shortcut.Dispose();
        _hooks.Dispose();
        _program?.Dispose();
    }

    private List<string> ApplyLanes(DesiredState desired, List<string> followed)
    {
        _program ??= LaneProgram.Load(options);
        var changes = new List<string>();
        // One device: IPv4. The maps' addresses have room for both families.
        var device = desired.Devices[0];
        if (device.Learning || device.Gbp)
            throw new LanesUnavailableException($"Backend.{(device.Gbp ? "GBP" : "Learning")} in the network config needs the driver");
        var index = routes.FindLink(device.Name)?.Index ?? throw new LanesUnavailableException($"{device.Name} is not there");
        changes.AddRange(LaneMaps.Apply(_program, device, index, options, desired.Firewall.Guard, desired.MayPrune));
        changes.AddRange(_shortcut.Apply(_program, device, desired.Firewall.Masquerade || Conntrack.IsCounting, followed));
        // Links last: a program runs only when the maps say what it needs.
        if (_hooks.Ensure(_shortcut.UnderlayIn ?? _program.UnderlayIn, device.UnderlayIndex, TcxHook.Ingress, _program.Directory) is { } inbound)
            changes.Add(inbound);
        if (_hooks.Ensure(_program.OverlayOut, index, TcxHook.Egress, _program.Directory) is { } outbound)
            changes.Add(outbound);
        changes.AddRange(_program.RemoveOtherSchemas());
        return changes;
    }

    /// <summary>The driver takes over the moment the links are gone; the lanes are tried again later, in case the reason goes away.</summary>
    private void StepDown(string reason)
    {
        _shortcut.Unload(reason);
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
