namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>What lane 1 in decapsulates (enum tunnel_in of bpf/types.h).</summary>
public enum OverlayTunnelIn : byte
{
    /// <summary>TUNNEL_IN_DRIVER: nothing, the vxlan driver does.</summary>
    Driver = 0,

    /// <summary>TUNNEL_IN_AUTO: what the driver's GRO would not make larger.</summary>
    Auto = 1,

    /// <summary>TUNNEL_IN_BPF: every packet that is no aggregate already.</summary>
    Bpf = 2,
}
