namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>What a packet is sent by (enum transport of bpf/types.h).</summary>
public enum OverlayTransport : byte
{
    /// <summary>TRANSPORT_NONE.</summary>
    None = 0,

    /// <summary>TRANSPORT_LOCAL: our own subnet, never encapsulated.</summary>
    Local = 1,

    /// <summary>TRANSPORT_VXLAN: encapsulated by lane 1.</summary>
    Vxlan = 2,

    /// <summary>TRANSPORT_DIRECT: by a plain route, not by a lane.</summary>
    Direct = 3,
}
