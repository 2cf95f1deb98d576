using Accelerated.Interop;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// The programs and maps of the lanes, loaded and pinned. Maps that an earlier agent pinned are adopted with what is in them, so traffic
/// is carried by either agent's programs throughout.
/// </summary>
internal sealed class LaneProgram : IDisposable
{
    /// <summary>
    /// Version of the maps' layout, and part of the pin path: an agent never reads another layout's maps. Programs may change freely within
    /// one version.
    /// </summary>
    private const string Schema = "6";

    /// <summary>The maps that all objects share.</summary>
    public static readonly IReadOnlyList<string> MapNames = ["subnets", "subnet_slots", "vteps", "lane_stats", "config", "guard_allow", "refusals", "refusal_turn"];

    private const string ObjectName = "overlay";

    private readonly BpfObject _object;

    private LaneProgram(BpfObject loaded, string directory)
    {
        _object = loaded;
        Directory = directory;
        Subnets = loaded.Map("subnets");
        Slots = new(loaded.Map("subnet_slots"));
        Vteps = loaded.Map("vteps");
        LaneStats = loaded.Map("lane_stats");
        Config = loaded.Map("config");
        GuardAllow = loaded.Map("guard_allow");
        Refusals = loaded.Map("refusals");
        OverlayOut = loaded.Program("overlay_out");
        UnderlayIn = loaded.Program("underlay_in");
    }

    /// <summary>Where maps and links of this schema are pinned.</summary>
    public string Directory { get; }

    /// <summary>Overlay prefix → node.</summary>
    public BpfMap Subnets { get; }

    /// <summary>The same, by place in the network.</summary>
    public SubnetSlots Slots { get; }

    /// <summary>Known nodes and their counters.</summary>
    public BpfMap Vteps { get; }

    /// <summary>Counters by lane.</summary>
    public BpfMap LaneStats { get; }

    /// <summary>The one configuration entry.</summary>
    public BpfMap Config { get; }

    /// <summary>Senders beside the known nodes.</summary>
    public BpfMap GuardAllow { get; }

    /// <summary>Ring buffer of samples of what the guard refused.</summary>
    public BpfMap Refusals { get; }

    /// <summary>Lane 1 out.</summary>
    public BpfProgram OverlayOut { get; }

    /// <summary>Guard and lane 1 in.</summary>
    public BpfProgram UnderlayIn { get; }

    /// <summary>Loads the object and pins its maps.</summary>
    /// <exception cref="LanesUnavailableException">What is missing on this host and how to get it.</exception>
    public static LaneProgram Load(LaneOptions options, LaneObjects objects)
    {
        var directory = Path.Combine(options.PinDirectory, Schema);
        try
        {
            var root = NearestExisting(options.PinDirectory);
            if (!BpfFeatures.BpfFs(root).IsSupported)
            {
                throw new LanesUnavailableException($"{root} is not on a BPF file system")
                {
                    Remedy = "mount -t bpf bpf /sys/fs/bpf (the agent notices), or name one with --bpf-dir",
                };
            }

            System.IO.Directory.CreateDirectory(directory);
            return objects.Load(ObjectName, image => new LaneProgram(PinnedObject.Load(image.Image, ObjectName, directory, MapNames), directory));
        }
        catch (Exception e) when (e is NativeException or NativeLibraryMissingException or IOException or UnauthorizedAccessException)
        {
            throw LaneFaults.Explain(e);
        }
    }

    /// <summary>Sees to it that the maps can be found by the next agent.</summary>
    public void EnsurePinned() => PinnedObject.Pin(_object, Directory, MapNames);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var part in (IDisposable[])[Subnets, Slots, Vteps, LaneStats, Config, GuardAllow, Refusals, OverlayOut, UnderlayIn, _object])
            part.Dispose();
    }

    private static string NearestExisting(string path)
    {
        var current = Path.GetFullPath(path);
        while (!System.IO.Directory.Exists(current))
            current = Path.GetDirectoryName(current)!;
        return current;
    }
}
