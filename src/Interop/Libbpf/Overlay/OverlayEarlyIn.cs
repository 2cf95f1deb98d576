namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>What lane 3 does with packets that the guard lets in (enum early_in of bpf/types.h).</summary>
public enum OverlayEarlyIn : byte
{
    /// <summary>EARLY_IN_GUARD: nothing, the lanes behind it decapsulate.</summary>
    Guard = 0,

    /// <summary>EARLY_IN_DECAPSULATE: takes the outer headers off before GRO.</summary>
    Decapsulate = 1,
}
