using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf.Overlay;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Lane 3: the guard, and decapsulation, by XDP on the underlay's interface. Attached after the programs at TC and taken away before them: what it
/// decapsulates is theirs to deliver. Without it nothing is missing but speed. Written by the reconcile loop, read from any thread.
/// </summary>
internal sealed class EarlyLane(LaneOptions options, TimeProvider time) : IDisposable
{
    /// <summary>A driver that refuses may have been set up for something else; asking it costs little, and not nothing.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);

    private WireProgram? _program;
    private Absence? _off = new("not tried yet", "nothing");
    private string? _guardOnly;
    private DateTimeOffset _retryAt = DateTimeOffset.MinValue;

    /// <summary>Whether the operator has asked for it (<c>--xdp</c>).</summary>
    public bool IsWanted => options.Xdp != XdpChoice.Off;

    /// <summary>Why it does not decapsulate, or null while it does.</summary>
    public string? Off => Volatile.Read(ref _off) is { } off ? off.Reason : Volatile.Read(ref _guardOnly) is { } reason ? $"it only guards: {reason}" : null;

    /// <summary>What status says of it, or null while nobody wants it.</summary>
    public string? Description => !IsWanted ? null
        : Volatile.Read(ref _off) is { } off ? $"lane 3 off: {off.Reason}"
        : Volatile.Read(ref _guardOnly) is { } reason ? $"lane 3 guards: {reason}" : "lane 3 in";

    /// <summary>What is wrong, for an operator who asked for it; null otherwise.</summary>
    public Problem? Problem => options.Xdp == XdpChoice.On && Volatile.Read(ref _off) is { } off
        ? new Problem(ProblemSeverity.Warning, "xdp", $"--xdp=on, and lane 3 is off: {off.Reason}", off.Remedy)
        : null;

    /// <summary>What the config has to say, so that nobody misses packets who would have seen them without the lane.</summary>
    /// <param name="survey">What others configured.</param>
    /// <param name="tunnelInOff">Why no program may decapsulate, or null.</param>
    public OverlayEarlyIn Judge(LaneSurvey survey, string? tunnelInOff)
    {
        var reason = tunnelInOff ?? (survey.EarlyOff is [var first, ..] ? first : null);
        Volatile.Write(ref _guardOnly, reason);
        return reason is null ? OverlayEarlyIn.Decapsulate : OverlayEarlyIn.Guard;
    }

    /// <summary>Attaches the program or takes it away; returns what was done. Never throws for what the kernel refuses: the reason is in <see cref="Off"/>.</summary>
    public IReadOnlyList<string> Apply(LaneProgram lanes, LaneObjects objects, LaneHooks hooks, Link underlay)
    {
        if (Obstacle(underlay) is { } obstacle)
        {
            Volatile.Write(ref _off, obstacle);
            _retryAt = DateTimeOffset.MinValue;
            return hooks.RemoveXdp(lanes.Directory) ? [$"detach {WireProgram.ProgramName}: {obstacle.Reason}"] : [];
        }

        if (_off is not null && time.GetUtcNow() < _retryAt)
            return [];
        try
        {
            _program ??= WireProgram.Load(lanes, objects);
            var done = hooks.EnsureXdp(_program.WireIn, underlay.Index, lanes.Directory);
            Volatile.Write(ref _off, null);
            return done is null ? [] : [done];
        }
        catch (Exception e) when (e is LanesUnavailableException or NativeException or IOException or UnauthorizedAccessException)
        {
            var why = Explain(e, underlay);
            Volatile.Write(ref _off, why);
            _retryAt = time.GetUtcNow() + Retry;
            return hooks.RemoveXdp(lanes.Directory) ? [$"detach {WireProgram.ProgramName}: {why.Reason}"] : [];
        }
    }

    /// <summary>Forgets the program, so that lane 1 can be loaded anew.</summary>
    public void Unload()
    {
        _program?.Dispose();
        _program = null;
        Volatile.Write(ref _off, new("the lanes are off", "see why"));
        _retryAt = DateTimeOffset.MinValue;
    }

    /// <summary>Lets go of the program; what is pinned goes on.</summary>
    public void Dispose() => _program?.Dispose();

    private Absence? Obstacle(Link underlay)
    {
        if (options.Xdp == XdpChoice.Off)
            return new("--xdp=off", "nothing, or --xdp=on");
        if (underlay.Address is null)
            return new($"{underlay.Name} has no hardware address", "nothing, the other lanes work");
        if (options.Xdp == XdpChoice.On)
            return null;
        if (underlay.Kind == "veth")
            return new($"{underlay.Name} is a veth, and XDP there takes segmentation offload away from its other end", "nothing, or --xdp=on");
        return underlay.MasterIndex != 0 ? new($"{underlay.Name} is part of another interface", "nothing, or --xdp=on") : null;
    }

    private static Absence Explain(Exception failure, Link underlay) => failure switch
    {
        NativeException { IsTaken: true } => new($"{underlay.Name} has an XDP program of somebody else's (bpftool net show dev {underlay.Name})",
            $"nothing, it stays; or take it away (ip link set dev {underlay.Name} xdp off), the agent notices"),
        NativeException { IsNotSupported: true } => new($"the driver of {underlay.Name} runs no XDP programs, or not as the interface is set up ({failure.Message})",
            "nothing, the other lanes work; or see what dmesg says about it (queues, MTU, receive offloads)"),
        LanesUnavailableException known => new(known.Message, known.Remedy),
        _ => new(LaneFaults.OneLine(failure.Message), "nothing, the other lanes work; Linux 5.18 or later has what it needs"),
    };

    private sealed record Absence(string Reason, string Remedy);
}
