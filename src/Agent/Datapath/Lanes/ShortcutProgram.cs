using System.Diagnostics;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The programs and maps of lane 2, loaded over those of lane 1.</summary>
internal sealed class ShortcutProgram : IDisposable
{
    private static readonly string[] OwnMaps = ["endpoints", "shortcut"];

    /// <summary>Ticks per second that Linux can be built with (kernel/Kconfig.hz, and Alpha's).</summary>
    private static readonly int[] TickRates = [24, 48, 100, 128, 250, 256, 300, 500, 1000, 1024, 1200];

    private static readonly TimeSpan Sample = TimeSpan.FromMilliseconds(120);

    private readonly BpfObject _object;

    private ShortcutProgram(BpfObject loaded)
    {
        _object = loaded;
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
    public static ShortcutProgram Load(LaneProgram lanes)
    {
        try
        {
            if (!ProcessCapabilities.Has(Capability.Perfmon) && !ProcessCapabilities.Has(Capability.SysAdmin))
                throw new LanesUnavailableException("the capability CAP_PERFMON is missing, without which no program may read conntrack: add it to AmbientCapabilities and CapabilityBoundingSet of the unit");
            return new(LaneObject.Load("shortcut", lanes.Directory, [.. LaneProgram.MapNames, .. OwnMaps]));
        }
        catch (VerifierException e)
        {
            throw new LanesUnavailableException($"the kernel refuses lane 2's programs: {e.Message}", e);
        }
        catch (NativeException e) when (e.Message.Contains("bpf_skb_ct_lookup", StringComparison.Ordinal))
        {
            throw new LanesUnavailableException("this kernel offers conntrack to no program (Linux 5.18 with nf_conntrack and its BTF does)", e);
        }
        catch (Exception e) when (e is NativeException or IOException or UnauthorizedAccessException)
        {
            throw new LanesUnavailableException(e.Message, e);
        }
    }

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
        Thread.Sleep(Sample);
        var ticks = program.Run(packet).ReturnValue - first;
        var rate = ticks / Stopwatch.GetElapsedTime(started).TotalSeconds;
        return TickRates.MinBy(r => Math.Abs(Math.Log(r / Math.Max(rate, 1))));
    }
}
