namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Index into the lane_stats map (enum lane of bpf/types.h).</summary>
public enum OverlayLane
{
    /// <summary>LANE_1_OUT.</summary>
    Lane1Out = 0,

    /// <summary>LANE_1_IN.</summary>
    Lane1In = 1,

    /// <summary>LANE_2_OUT.</summary>
    Lane2Out = 2,

    /// <summary>LANE_2_IN.</summary>
    Lane2In = 3,

    /// <summary>LANE_3_IN.</summary>
    Lane3In = 4,
}
