using System.Diagnostics;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The programs and maps of lane 2, loaded over those of lane 1.</summary>
internal sealed class ShortcutProgram : IDisposable
{
    private const string ObjectName = "shortcut";
    private static readonly string[] OwnMaps = ["endpoints", "shortcut"];

    /// <summary>Ticks per second that Linux can be built with (kernel/Kconfig.hz, and Alpha's).</summary>
    private static readonly int[] TickRates = [24, 48, 100, 128, 250, 256, 300, 500, 1000, 1024, 1200];

    private static readonly TimeSpan Sample = TimeSpan.FromMilliseconds(120);

    private readonly BpfObject _object;

    private readonly string _directory;

    private ShortcutProgram(BpfObject loaded, string directory)
    {
        (_object, _directory) = (loaded, directory);
        Endpoints = loaded.Map("endpoints");
        Terms = loaded.Map("shortcut");
        ContainerOut = loaded.Program("container_out");
        UnderlayIn = loaded.Program("underlay_in");
        TicksPerSecond = MeasureTicks(loaded);
    }

    /// <summary>Container address → where it is attached.</summary>
    public BpfMap Endpoints { get; }

    /// <summary>The one entry with the terms.</summary>
    public BpfMap Terms { get; }

    /// <summary>Lane 2 out.</summary>
    public BpfProgram ContainerOut { get; }

    /// <summary>Guard, lane 2 in, lane 1 in.</summary>
    public BpfProgram UnderlayIn { get; }

    /// <summary>Jiffies per second.</summary>
    public int TicksPerSecond { get; }

    /// <summary>Loads the object beside lane 1's.</summary>
    /// <exception cref="LanesUnavailableException">Why this host cannot have lane 2.</exception>
    public static ShortcutProgram Load(LaneProgram lanes, LaneObjects objects)
    {
        try
        {
            if (!BpfFeatures.Tcx.IsSupported)
                throw new LanesUnavailableException($"containers' interfaces need tcx links: {BpfFeatures.Tcx.Reason}") { Remedy = "a kernel from 6.6 on", IsLasting = true };
            return objects.Load(ObjectName, image => new ShortcutProgram(
                PinnedObject.Load(image.Image, ObjectName, lanes.Directory, [.. LaneProgram.MapNames, .. OwnMaps]), lanes.Directory));
        }
        catch (NativeException e) when (e.Message.Contains("bpf_skb_ct_lookup", StringComparison.Ordinal))
        {
            throw new LanesUnavailableException("this kernel offers conntrack to no program", e)
            {
                Remedy = "a kernel from 5.18 on with nf_conntrack built in or its BTF installed",
                IsLasting = true,
            };
        }
    }

    /// <summary>Sees to it that the maps can be found by the next agent.</summary>
    public void EnsurePinned() => PinnedObject.Pin(_object, _directory, OwnMaps);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var part in (IDisposable[])[Endpoints, Terms, ContainerOut, UnderlayIn, _object])
            part.Dispose();
    }

    /// <summary>Conntrack counts in jiffies, and nothing tells user space how long one is: count them for a moment.</summary>
    private static int MeasureTicks(BpfObject loaded)
    {
        using var program = loaded.Program("jiffies");
        var packet = new byte[64];
        var started = Stopwatch.GetTimestamp();
        var first = program.Run(packet).ReturnValue;
        // Once in the life of a load, in the one thread that writes; the lane is still closed, and packets take the slower ones.
        Thread.Sleep(Sample);
        var ticks = program.Run(packet).ReturnValue - first;
        var rate = ticks / Stopwatch.GetElapsedTime(started).TotalSeconds;
        return TickRates.MinBy(r => Math.Abs(Math.Log(r / Math.Max(rate, 1))));
    }
}
