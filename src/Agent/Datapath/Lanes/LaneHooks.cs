using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Keeps the programs on their hooks, by tcx or by clsact, and takes away what an earlier agent of the instance attached differently.
/// </summary>
/// <remarks>
/// The new attachment always comes first and the old one goes in the same pass. For that moment both are there: the first that takes a
/// packet redirects it, so the other never sees it, and what the first leaves alone the second leaves alone too. The other order would
/// open the guard for a moment.
/// </remarks>
internal sealed class LaneHooks(LaneOptions options) : IDisposable
{
    private readonly PinnedLinks _links = new();
    private readonly ClsactFilters _filters = new(Path.GetFileName(options.PinDirectory));

    /// <summary>Where the programs are, or would be, among clsact filters; null where they are on tcx whatever others have.</summary>
    public TcFilterSlot? Slot => options.Attachment == LaneAttachment.Tcx ? null : _filters.Slot;

    /// <summary>The programs that pinned links of the instance hold, also those of an earlier agent, by the numbers bpftool shows.</summary>
    public IEnumerable<uint> Programs => _links.Programs(options.PinDirectory);

    /// <summary>The same of the other instances on this host, which pin beside this one.</summary>
    public IEnumerable<uint> SiblingPrograms => Directory.EnumerateDirectories(Path.GetDirectoryName(options.PinDirectory)!)
        .Where(d => d != options.PinDirectory)
        .SelectMany(_links.Programs);

    /// <summary>Sees to it that <paramref name="program"/> runs on the hook; returns what had to be done, or null.</summary>
    /// <exception cref="LanesUnavailableException">The kernel has no tcx, and nothing else is allowed.</exception>
    public string? Ensure(BpfProgram program, int interfaceIndex, TcxHook hook, string directory)
    {
        if (WantsClsact(interfaceIndex, hook))
        {
            var done = _filters.Ensure(program, interfaceIndex, hook, directory);
            return _links.Remove(program.Name, directory) ? $"{done ?? $"keep {program.Name} as a clsact filter"} in place of tcx" : done;
        }
        else
        {
            var done = _links.EnsureTcx(program, interfaceIndex, hook, directory);
            return _filters.Remove(program.Name, directory) ? $"{done ?? $"keep {program.Name} on tcx"} in place of a clsact filter" : done;
        }
    }

    /// <summary>Sees to it that lane 3's program runs before everything else on an interface, in native mode; returns what had to be done, or null.</summary>
    /// <exception cref="Accelerated.Interop.NativeException">The driver cannot, or somebody else's program is there.</exception>
    public string? EnsureXdp(BpfProgram program, int interfaceIndex, string directory) => _links.EnsureXdp(program, interfaceIndex, directory);

    /// <summary>Takes lane 3's program away; false when it was not attached.</summary>
    public bool RemoveXdp(string directory) => _links.Remove(WireProgram.ProgramName, directory);

    /// <summary>
    /// Takes away lane 3 of agents with other layouts of the maps; to be called before the own programs are attached: those at TC do not know the
    /// others' cookie.
    /// </summary>
    public void EndXdpOfOthers(string directory)
    {
        foreach (var other in Others(directory))
            RemoveXdp(other);
    }

    /// <summary>
    /// Ends what agents with other layouts of the maps left pinned beside <paramref name="directory"/>; to be called once the own programs
    /// are attached.
    /// </summary>
    /// <returns>What was done, in words.</returns>
    public IEnumerable<string> TakeOver(string directory)
    {
        foreach (var other in Others(directory))
        {
            _filters.TakeOver(other, directory);
            _links.RemoveAll(other);
            Directory.Delete(other, recursive: true);
            yield return $"take over from the lanes in {other}";
        }
    }

    /// <summary>Detaches everything of the instance, also what an earlier agent attached. Needs neither libbpf nor bpf(2).</summary>
    public void DetachAll()
    {
        var directories = Directory.Exists(options.PinDirectory) ? Directory.EnumerateDirectories(options.PinDirectory).ToList() : [];
        foreach (var directory in directories)
        {
            // What lane 3 has decapsulated is nobody's without the programs at TC.
            RemoveXdp(directory);
            _links.RemoveAll(directory);
            _filters.RemoveAll(directory);
        }

        _links.RemoveHeld();
    }

    /// <summary>Lets go of the links; what is pinned stays attached.</summary>
    public void Dispose() => _links.Dispose();

    private List<string> Others(string directory) => [.. Directory.EnumerateDirectories(options.PinDirectory).Where(d => d != directory)];

    private bool WantsClsact(int interfaceIndex, TcxHook hook)
    {
        var hasTcx = BpfFeatures.Tcx.Support != FeatureSupport.Unsupported;
        return options.Attachment switch
        {
            LaneAttachment.Clsact => true,
            LaneAttachment.Tcx => hasTcx ? false : throw new LanesUnavailableException($"this kernel has no tcx links: {BpfFeatures.Tcx.Reason}")
            {
                Remedy = "a kernel from 6.6 on, or --bpf-attach=auto",
                IsLasting = true,
            },
            // Under tcx a program comes before every clsact filter, and they would not see what it takes.
            _ => !hasTcx || Clsact.HasOthers(interfaceIndex, hook, _filters.Slot),
        };
    }
}
