using System.Globalization;
using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// The eBPF lanes, laid over the kernel's driver. The driver's device stays fully programmed in every pass, so whatever a lane does
/// not understand, and everything while the lanes are unavailable, is carried by the driver.
/// </summary>
public sealed class BpfDatapath(KernelDatapath kernel, RouteSocket routes, HostRules rules, LaneOptions options, PolicyWatch policy, TimeProvider time) : IDatapath, IDisposable
{
    private const string NothingToDo = "plain routes carry packets, so nothing is encapsulated";

    /// <summary>An attempt costs milliseconds, and an operator who has followed the remedy should not have to wait.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    /// <summary>For what can hardly change while this process runs.</summary>
    private static readonly TimeSpan LastingRetry = TimeSpan.FromMinutes(5);

    /// <summary>How often to look at rules whose changes nobody tells of.</summary>
    private static readonly TimeSpan SilentInterval = TimeSpan.FromSeconds(1);

    private readonly LaneHooks _hooks = new(options);
    private readonly LaneObjects _objects = new(options.Objects);
    private readonly Shortcut _shortcut = new(options, routes, policy, time);
    private readonly EarlyLane _early = new(options, time);
    private readonly HostSurvey _survey = new(routes, rules, options.ShortcutMark);
    private readonly RefusalFeed _refusals = new(time);
    private LaneProgram? _program;
    private DesiredState? _applied;
    private string? _tunnelInOff;
    private TimeSpan? _lookAgain;
    private LanesUnavailableException? _unavailable = new("not tried yet");
    private DateTimeOffset _retryAt = DateTimeOffset.MinValue;
    private IReadOnlyList<(string Map, int Capacity, int LeftOut)> _full = [];

    /// <inheritdoc/>
    public string Name => HasLanes ? "bpf" : kernel.Name;

    /// <inheritdoc/>
    public bool HasLanes => Volatile.Read(ref _unavailable) is null;

    /// <inheritdoc/>
    public string Reason => Volatile.Read(ref _unavailable) is { } why
        ? kernel.Name != "kernel" ? kernel.Reason : $"the eBPF lanes are off: {why.Message} ({why.Remedy})"
        : string.Join("; ",
        [
            Volatile.Read(ref _tunnelInOff) is { } off ? $"lane 1 out; {off}" : "lane 1 out and in",
            _shortcut.Closed is { } closed ? $"lane 2 closed: {closed}" : "lane 2 out and in",
            .. _early.Description is { } early ? (string[])[early] : [],
            .. _objects.Origins.Select(o => $"{o.Key} {o.Value}"),
        ]);

    /// <inheritdoc/>
    public AcceptMark? Mark => _shortcut.Mark;

    /// <inheritdoc/>
    public IReadOnlyList<ContainerStatus> Containers
    {
        get
        {
            var view = _shortcut.View;
            return
            [
                .. view.Endpoints.Values.Select(e => new ContainerStatus(e.Address.ToString(), e.PortName, null)),
                .. view.LeftOut.Select(l => new ContainerStatus(l.Key, null, l.Value)),
            ];
        }
    }

    /// <inheritdoc/>
    public DatapathUsage Usage()
    {
        try
        {
            if (Volatile.Read(ref _program) is not { } program)
                return DatapathUsage.None;
            return new(Lanes(program), LaneCounts.ReadPeers(program), Containers);
        }
        catch (Exception e) when (e is ObjectDisposedException or NativeException)
        {
            // The loop stepped down this very moment.
            return DatapathUsage.None;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<Refusal> Refusals(long after) => _refusals.Since(after);

    /// <inheritdoc/>
    public DatapathReport Apply(DesiredState desired)
    {
        var overlay = desired.Overlays[0];
        var admitted = Admit(desired, overlay);
        var report = kernel.Apply(desired);
        _applied = desired;
        if (overlay is not { Device: { } device, IsHostGw: false } || report.NoDevice is not null)
        {
            if (_unavailable?.Message != NothingToDo)
                StepDown(new LanesUnavailableException(NothingToDo) { Remedy = "nothing, unless VXLAN was expected: see the datapath's reason" });
            _retryAt = DateTimeOffset.MinValue;
            return report with { Problems = overlay.Device is null ? Problems() : [] };
        }

        if (_unavailable is not null && time.GetUtcNow() < _retryAt)
            return report with { RetryAfter = Earlier(report.RetryAfter, _retryAt - time.GetUtcNow()), Problems = Problems() };
        try
        {
            var followed = new List<string>();
            var changes = ApplyLanes(desired, overlay, device, followed);
            Volatile.Write(ref _unavailable, null);
            var containers = _shortcut.View.Endpoints.Values;
            return report with
            {
                Changes = [.. admitted, .. report.Changes, .. changes],
                Followed = followed,
                Interfaces = new HashSet<int>([.. report.Interfaces, .. containers.Select(c => c.Port), .. containers.Select(c => c.GatewayIndex)]),
                Containers = _shortcut.Closed is null ? overlay.Subnet : null,
                Problems = Problems(),
                // A peer that goes makes room; rules that change silently have to be looked at.
                RetryAfter = _full.Count > 0 || _lookAgain is not null ? Earlier(report.RetryAfter, _lookAgain ?? Retry) : report.RetryAfter,
            };
        }
        catch (Exception e) when (e is LanesUnavailableException or NativeException or NativeLibraryMissingException or IOException or UnauthorizedAccessException)
        {
            StepDown(LaneFaults.Explain(e));
        }

        return report with { RetryAfter = Earlier(report.RetryAfter, _retryAt - time.GetUtcNow()), Problems = Problems() };
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
    /// <exception cref="IOException">A pin cannot be removed.</exception>
    /// <exception cref="UnauthorizedAccessException">Nor may it.</exception>
    /// <exception cref="NativeException">A filter cannot be removed.</exception>
    public static void Detach(LaneOptions options)
    {
        if (!Directory.Exists(options.PinDirectory))
            return;
        using var hooks = new LaneHooks(options);
        hooks.DetachAll();
        Directory.Delete(options.PinDirectory, recursive: true);
    }

    /// <summary>Lets go of the programs; what is pinned goes on carrying packets.</summary>
    public void Dispose()
    {
        _shortcut.Dispose();
        _early.Dispose();
        _survey.Dispose();
        _hooks.Dispose();
        _refusals.Dispose();
        _program?.Dispose();
    }

    /// <summary>
    /// Before routes lead to new peers, the guard of programs that are attached knows them; also of those that an earlier agent left.
    /// </summary>
    private IReadOnlyList<string> Admit(DesiredState desired, OverlayNetwork overlay)
    {
        var isGuarding = _program is not null || (_applied is null && Directory.Exists(options.PinDirectory));
        if (!isGuarding || ReferenceEquals(desired, _applied) || overlay is not { Device: { } device, IsHostGw: false })
            return [];
        try
        {
            return LaneMaps.Admit(Load(device), device, overlay.Direct, desired.Firewall.Guard);
        }
        catch (Exception e) when (e is LanesUnavailableException or NativeException or NativeLibraryMissingException or IOException or UnauthorizedAccessException)
        {
            // ignoring: the lanes are applied after the routes, and say why they cannot be had.
            return [];
        }
    }

    private LaneProgram Load(OverlayDevice device)
    {
        if (_program is { } loaded)
            return loaded;
        var program = LaneProgram.Load(options, _objects);
        Volatile.Write(ref _program, program);
        _refusals.Follow(program.Refusals, routes.FindLink(device.UnderlayIndex)?.Name ?? "underlay");
        return program;
    }

    private List<string> ApplyLanes(DesiredState desired, OverlayNetwork overlay, OverlayDevice device, List<string> followed)
    {
        // One device: IPv4. The maps' addresses have room for both families.
        var program = Load(device);
        // Someone may have removed the pins: what is attached is held all the same, and would be nobody's after this agent.
        program.EnsurePinned();
        var changes = new List<string>();
        if (device.Learning || device.Gbp)
            throw new LanesUnavailableException($"Backend.{(device.Gbp ? "GBP" : "Learning")} in the network config needs the driver") { Remedy = "nothing, or another network config" };
        var containers = _shortcut.Find(device);
        var survey = _survey.Look(
            device, [.. containers.Endpoints.Values.Select(c => c.Port)],
            new HashSet<uint>([program.OverlayOut.Id, program.UnderlayIn.Id, .. _shortcut.Programs, .. _hooks.Programs]), _hooks.SiblingPrograms.ToHashSet(), _hooks.Slot);
        _lookAgain = survey.ChangesSilently ? SilentInterval : null;
        Volatile.Write(ref _tunnelInOff, options.TunnelIn is OverlayTunnelIn.Driver ? "the driver decapsulates (--tunnel-in)" : survey.TunnelInOff is [var hidden, ..] ? hidden : null);
        if (survey.LanesOff is [var culprit, ..])
            throw new LanesUnavailableException(culprit) { Remedy = "the message says what; the agent notices" };
        var index = routes.FindLink(device.Name)?.Index ?? throw new LanesUnavailableException($"{device.Name} is not there");
        var underlay = routes.FindLink(device.UnderlayIndex) ?? throw new LanesUnavailableException("the underlay's interface is not there");
        var inbound = new InboundOptions(_tunnelInOff is null ? options.TunnelIn : OverlayTunnelIn.Driver, _early.Judge(survey, _tunnelInOff), underlay.Address);
        var maps = LaneMaps.Apply(program, device, overlay.Direct, index, inbound, desired.Firewall.Guard, desired.MayPrune);
        changes.AddRange(maps.Changes);
        _full = maps.Full;
        changes.AddRange(_shortcut.Apply(program, _objects, device, containers, survey, followed));
        // Links last: a program runs only when the maps say what it needs.
        _hooks.EndXdpOfOthers(program.Directory);
        if (_hooks.Ensure(_shortcut.UnderlayIn ?? program.UnderlayIn, device.UnderlayIndex, TcxHook.Ingress, program.Directory) is { } arriving)
            changes.Add(arriving);
        if (_hooks.Ensure(program.OverlayOut, index, TcxHook.Egress, program.Directory) is { } leaving)
            changes.Add(leaving);
        changes.AddRange(_hooks.TakeOver(program.Directory));
        changes.AddRange(_early.Apply(program, _objects, _hooks, underlay));
        return changes;
    }

    /// <summary>
    /// The driver takes over the moment the programs are gone, those of an earlier agent included: their maps would be kept up to date
    /// by nobody. The lanes are tried again later, in case the reason goes away.
    /// </summary>
    private void StepDown(LanesUnavailableException why)
    {
        _shortcut.Unload(why.Message);
        _early.Unload();
        try
        {
            _hooks.DetachAll();
        }
        catch (Exception e) when (e is NativeException or IOException or UnauthorizedAccessException)
        {
            why = new LanesUnavailableException($"{why.Message}; and what is attached cannot be taken away: {e.Message}", why) { Remedy = why.Remedy };
        }

        _refusals.Follow(null, "");
        _program?.Dispose();
        Volatile.Write(ref _program, null);
        Volatile.Write(ref _unavailable, why);
        _retryAt = time.GetUtcNow() + (why.IsLasting ? LastingRetry : Retry);
    }

    private IReadOnlyList<LaneStatus> Lanes(LaneProgram program) => LaneCounts.Read(program, Volatile.Read(ref _tunnelInOff), _shortcut.Closed, _early);

    private List<Problem> Problems()
    {
        var problems = new List<Problem>();
        if (_unavailable is { } why)
        {
            if (options.IsAskedFor)
                problems.Add(new Problem(ProblemSeverity.Warning, "bpf-lanes", $"the eBPF lanes are off, the kernel carries packets: {why.Message}", why.Remedy));
            return problems;
        }

        if (_early.Problem is { } early)
            problems.Add(early);
        if (_full.Count > 0)
        {
            var full = string.Join("; ", _full.Select(f => string.Create(CultureInfo.InvariantCulture, $"{f.Map} is full with {f.Capacity} entries, {f.LeftOut} are left out")));
            problems.Add(new Problem(ProblemSeverity.Warning, "bpf-map-full", $"the cluster is too large for the maps of the eBPF lanes: {full}",
                "nothing breaks: the kernel's driver carries what is left out, and while nodes are left out the guard only counts; --datapath=kernel uses the driver for all"));
        }

        if (_program is { } program && LaneCounts.Futile(Lanes(program)).ToList() is { Count: > 0 } futile)
        {
            var lanes = string.Join("; ", futile.Select(f => string.Create(CultureInfo.InvariantCulture, $"lane {f.Lane}, {f.Packets} packets")));
            problems.Add(new Problem(ProblemSeverity.Warning, "bpf-lane-futile", $"the kernel refuses a BPF helper for every packet, so a lane that is on carries none: {lanes}",
                "nothing breaks, the next lane or the kernel's driver carries them; report this with the output of uname -r; --datapath=kernel saves the attempt"));
        }

        if (_objects.Setbacks is { Count: > 0 } setbacks)
        {
            problems.Add(new Problem(ProblemSeverity.Warning, "bpf-object",
                $"not the eBPF object that was asked for: {LaneFaults.OneLine(string.Join("; ", setbacks.Select(s => $"{s.Key}: {s.Value}")))}",
                "nothing, the lanes work; or follow the message and restart the agent"));
        }

        return problems;
    }

    private static TimeSpan Earlier(TimeSpan? a, TimeSpan b) => a is { } other && other < b ? other : b;
}
