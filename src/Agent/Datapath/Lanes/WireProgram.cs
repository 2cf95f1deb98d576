using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>The program of lane 3, loaded over the maps of lane 1.</summary>
internal sealed class WireProgram : IDisposable
{
    /// <summary>What its link is pinned under.</summary>
    public const string ProgramName = "wire_in";

    private const string ObjectName = "wire";

    private readonly BpfObject _object;

    private WireProgram(BpfObject loaded)
    {
        _object = loaded;
        WireIn = loaded.Program(ProgramName);
    }

    /// <summary>The guard before the skb, and decapsulation before GRO.</summary>
    public BpfProgram WireIn { get; }

    /// <summary>Loads the object beside lane 1's.</summary>
    /// <exception cref="LanesUnavailableException">No object that this kernel takes.</exception>
    /// <exception cref="Accelerated.Interop.NativeException">The kernel does not know such programs.</exception>
    public static WireProgram Load(LaneProgram lanes, LaneObjects objects) =>
        objects.Load(ObjectName, image => new WireProgram(PinnedObject.Load(image.Image, ObjectName, lanes.Directory, LaneProgram.MapNames)));

    /// <inheritdoc/>
    public void Dispose()
    {
        WireIn.Dispose();
        _object.Dispose();
    }
}
