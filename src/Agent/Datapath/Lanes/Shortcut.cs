using System.Diagnostics;
using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Lane 2: keeps the map of containers, the links on their veths and the terms. It is open only while the loop that watches the rules is
/// alive: the terms run out unless they are renewed, and the links on the veths end with the process.
/// </summary>
internal sealed class Shortcut(LaneOptions options, RouteSocket routes, PolicyWatch policy, TimeProvider time) : IDisposable
{
    /// <summary>How often the loop has to show up, and after how long a silence the lane is closed.</summary>
    public static readonly TimeSpan BeatInterval = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan OpenFor = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(30);

    private readonly EndpointReader _reader = new(routes, time);
    private readonly Dictionary<int, BpfLink> _links = [];
    private ShortcutProgram? _program;
    private (string Reason, DateTimeOffset RetryAt)? _loadFailure;
    private ShortcutValue _terms;
    private uint _generation;
    private (int, string) _seen = (-1, "");
    private EndpointView _view = EndpointView.Empty;
    private string? _closed = "not tried yet";

    /// <summary>Why the lane is closed, or null while it is open.</summary>
    public string? Closed => Volatile.Read(ref _closed);

    /// <summary>The containers, as of the latest pass.</summary>
    public EndpointView View => Volatile.Read(ref _view);

    /// <summary>What our nftables table has to mark; null while the lane is closed.</summary>
    public AcceptMark? Mark { get; private set; }

    /// <summary>The program for the underlay's hook while the lane is open, or null.</summary>
    public BpfProgram? UnderlayIn => Closed is null ? _program?.UnderlayIn : null;

    /// <summary>The programs of the lane, by the numbers bpftool shows; none while it is not loaded.</summary>
    public IEnumerable<uint> Programs => _program is { } program ? [program.ContainerOut.Id, program.UnderlayIn.Id] : [];

    /// <summary>The containers that the lane could reach; none when it is switched off.</summary>
    public EndpointView Find(OverlayDevice device) => options.Shortcut == OverlayShortcut.Off ? EndpointView.Empty : _reader.Read(device.Subnet);

    /// <summary>Makes the lane what it should be; returns each change in words, but puts those that follow the containers into <paramref name="followed"/>.</summary>
    /// <param name="lanes">Lane 1's programs and maps.</param>
    /// <param name="objects">Where the programs come from.</param>
    /// <param name="device">The overlay.</param>
    /// <param name="containers">What <see cref="Find"/> has found.</param>
    /// <param name="survey">What others configured.</param>
    /// <param name="followed">Takes what was done because containers came or went.</param>
    public List<string> Apply(
        LaneProgram lanes, LaneObjects objects, OverlayDevice device, EndpointView containers, LaneSurvey survey, List<string> followed)
    {
        var changes = new List<string>();
        if (Refusal(survey) is { } reason)
        {
            Close(reason, changes);
            return changes;
        }

        try
        {
            Load(lanes, objects);
            if (options.Shortcut == OverlayShortcut.Established && Conntrack.BeLiberal(options.LiberalFile))
                changes.Add("set net.netfilter.nf_conntrack_tcp_be_liberal to 1: conntrack does not see what the shortcut carries");
            // First the generation: whatever changed since the last pass closes the lane to every flow before anything else is done.
            // Events tell of most changes; iptables-legacy and interfaces tell nobody, and the survey's fingerprint shows them.
            var seen = (policy.Changes, survey.Fingerprint);
            if (seen != _seen)
                (_generation, _seen) = (AcceptMark.Next(options.ShortcutMark, _generation), seen);
            var view = containers.Without(survey.ShortcutOffByInterface);
            var mark = new AcceptMark(
                options.ShortcutMark, _generation, device.Name, [.. view.Endpoints.Values.Select(e => e.Gateway)]);
            SetTerms(mark, device);
            SetEndpoints(view, followed);
            SetLinks(view, followed);
            Mark = options.Shortcut == OverlayShortcut.Established ? mark : null;
            Volatile.Write(ref _view, view);
            Volatile.Write(ref _closed, null);
        }
        catch (Exception e) when (e is LanesUnavailableException or NativeException or IOException or UnauthorizedAccessException)
        {
            Close(Why(e), changes);
        }

        return changes;
    }

    /// <summary>Renews the terms. To be called by the loop that calls <see cref="Apply"/>, and nobody else.</summary>
    public void Beat()
    {
        if (Closed is not null)
            return;
        _terms.OpenUntil = Now + (ulong)OpenFor.TotalNanoseconds;
        _program!.Terms.Update(0u, _terms);
    }

    /// <summary>Closes the lane.</summary>
    public void Close(string reason, List<string> changes)
    {
        if (Closed is null)
            changes.Add($"close the shortcut: {reason}");
        Mark = null;
        Volatile.Write(ref _closed, reason);
        Volatile.Write(ref _view, EndpointView.Empty);
        if (_program is null)
            return;
        _terms.Mode = OverlayShortcut.Off;
        _program.Terms.Update(0u, _terms);
        foreach (var link in _links.Values)
            link.Dispose();
        _links.Clear();
    }

    /// <summary>Lets go of everything, so that lane 1 can be loaded anew.</summary>
    public void Unload(string reason)
    {
        try
        {
            Close(reason, []);
        }
        catch (NativeException)
        {
            // ignoring: the terms run out by themselves.
        }

        _program?.Dispose();
        _program = null;
    }

    /// <inheritdoc/>
    public void Dispose() => Unload("the agent stops");

    /// <summary>CLOCK_MONOTONIC in nanoseconds, which is what Stopwatch reads on Linux.</summary>
    private static ulong Now => (ulong)(Stopwatch.GetTimestamp() * (1_000_000_000.0 / Stopwatch.Frequency));

    private static string Why(Exception failure)
    {
        var why = LaneFaults.Explain(failure);
        return $"{why.Message} ({why.Remedy})";
    }

    private string? Refusal(LaneSurvey survey)
    {
        if (options.Shortcut == OverlayShortcut.Off)
            return "switched off (--shortcut=off)";
        if (survey.TunnelInOff.Concat(options.Shortcut == OverlayShortcut.Always ? [] : survey.ShortcutOff).FirstOrDefault() is { } culprit)
            return culprit;
        if (options.Shortcut == OverlayShortcut.Established && !survey.ConntrackInUse)
            return "no-conntrack: nothing on this host tracks connections, and the proof is kept there. Have something track them (--ip-masq does), or declare that no rule needs to see overlay traffic (--shortcut=always)";
        return _loadFailure is { } failure && time.GetUtcNow() < failure.RetryAt ? failure.Reason : null;
    }

    private void Load(LaneProgram lanes, LaneObjects objects)
    {
        if (_program is not null)
        {
            _program.EnsurePinned();
            return;
        }

        try
        {
            _program = ShortcutProgram.Load(lanes, objects);
            _loadFailure = null;
        }
        catch (Exception e) when (e is LanesUnavailableException or NativeException or IOException or UnauthorizedAccessException)
        {
            // Whatever closes the lane meanwhile is not to be mistaken for this.
            _loadFailure = (Why(e), time.GetUtcNow() + RetryInterval);
            throw;
        }

        // Go on after the generation of the agent before us: what it let through has to prove itself, as nobody watched meanwhile.
        if (_program.Terms.TryLookup(0u, out ShortcutValue before))
            _generation = AcceptMark.GenerationOf(options.ShortcutMark, before.AcceptValue[0]);
    }

    private void SetTerms(AcceptMark mark, OverlayDevice device)
    {
        var terms = new ShortcutValue
        {
            OpenUntil = Now + (ulong)OpenFor.TotalNanoseconds,
            AcceptMask = DirectionPair.Of(mark.GenerationMask | mark.OriginalBit, mark.GenerationMask | mark.ReplyBit),
            AcceptValue = DirectionPair.Of(mark.GenerationValue | mark.OriginalBit, mark.GenerationValue | mark.ReplyBit),
            TcpRefresh = Refresh(Conntrack.TcpTimeout),
            UdpRefresh = Refresh(Conntrack.UdpTimeout),
            Mtu = (uint)device.Mtu,
            Mode = options.Shortcut,
        };
        _terms = terms;
        _program!.Terms.Update(0u, terms);
    }

    /// <summary>Half of a timeout in jiffies; of one that cannot be read all there is, so that nothing is carried.</summary>
    private uint Refresh(long? seconds) =>
        seconds is { } s ? (uint)Math.Min(s * _program!.TicksPerSecond / 2, int.MaxValue) : int.MaxValue;

    private void SetEndpoints(EndpointView view, List<string> followed)
    {
        var there = _program!.Endpoints.ReadAll<EndpointKey, EndpointValue>().ToDictionary(e => e.Key.ToString(), e => e.Value);
        foreach (var (address, _) in there.Where(e => !view.Endpoints.ContainsKey(e.Key)))
        {
            _program.Endpoints.Delete(EndpointKey.From(System.Net.IPAddress.Parse(address)));
            followed.Add($"remove {address} from the map of containers");
        }

        foreach (var (address, endpoint) in view.Endpoints)
        {
            var wanted = Value(endpoint);
            if (there.TryGetValue(address, out var value))
            {
                // The programs keep these two.
                (wanted.SlowOutAt, wanted.SlowInAt) = (value.SlowOutAt, value.SlowInAt);
                if (LaneMaps.Same(value, wanted))
                    continue;
            }

            _program.Endpoints.Update(EndpointKey.From(endpoint.Address), wanted);
            followed.Add($"set {address} to {endpoint.Mac} on {endpoint.PortName} in the map of containers");
        }
    }

    private void SetLinks(EndpointView view, List<string> followed)
    {
        var wanted = view.Endpoints.Values.Select(e => e.Port).ToHashSet();
        foreach (var (port, link) in _links.ToList())
        {
            if (wanted.Contains(port) && link.Info.InterfaceIndex == port)
                continue;
            link.Dispose();
            _links.Remove(port);
        }

        foreach (var endpoint in view.Endpoints.Values.Where(e => !_links.ContainsKey(e.Port)))
        {
            if (_links.ContainsKey(endpoint.Port))
                continue;
            try
            {
                _links[endpoint.Port] = BpfLink.AttachTcx(_program!.ContainerOut, endpoint.Port, TcxHook.Ingress);
                followed.Add($"attach {_program.ContainerOut.Name} to {endpoint.PortName}");
            }
            catch (NativeException e) when (e.IsNoSuchDevice)
            {
                // Gone since it was looked at; its event is on the way.
            }
        }
    }

    private static EndpointValue Value(Endpoint endpoint) => new()
    {
        Ifindex = (uint)endpoint.Port,
        Mac = OverlayMac.From(endpoint.Mac),
        GatewayMac = OverlayMac.From(endpoint.GatewayMac),
        Mtu = (uint)endpoint.Mtu,
        Forwards = (byte)(endpoint.Forwards ? 1 : 0),
    };
}
