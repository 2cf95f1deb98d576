namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>
/// What others configured on this host that a lane would slip past. Every reason is a phrase for status that names the culprit and what to
/// do about it; none means that the lane may run.
/// </summary>
/// <param name="LanesOff">Why no lane may send: the driver carries everything.</param>
/// <param name="TunnelInOff">
/// Why no lane may decapsulate (<c>--tunnel-in=bpf</c> and the shortcut's inbound half): the driver does. Lane 1 out may run.
/// </param>
/// <param name="ShortcutOff">Why lane 2 is closed for all containers; what is in the other two lists closes it too and is not repeated here.</param>
/// <param name="ShortcutOffByInterface">ifindex of a container's host-end interface → why lane 2 is closed for that container.</param>
/// <param name="ConntrackInUse">Whether the kernel tracks connections anyway, for somebody else's rules or our own masquerade.</param>
/// <param name="Fingerprint">
/// Equal as long as nothing that was looked at has changed. Rules that could now decide otherwise about a running flow change it; counters,
/// and elements of sets that come and go by themselves, do not.
/// </param>
public sealed record LaneSurvey(
    IReadOnlyList<string> LanesOff,
    IReadOnlyList<string> TunnelInOff,
    IReadOnlyList<string> ShortcutOff,
    IReadOnlyDictionary<int, string> ShortcutOffByInterface,
    bool ConntrackInUse,
    string Fingerprint)
{
    /// <summary>Why lane 3 may not decapsulate: somebody sees packets, between it and our programs at TC, who would see other ones.</summary>
    public IReadOnlyList<string> EarlyOff { get; init; } = [];

    /// <summary>Whether there are rules whose changes no event tells of (iptables-legacy): look again soon.</summary>
    public bool ChangesSilently { get; init; }
}
