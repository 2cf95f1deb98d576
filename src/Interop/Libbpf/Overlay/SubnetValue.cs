using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Value of the subnets map: where a subnet is (struct subnet_value of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 24)]
public struct SubnetValue
{
    /// <summary>Underlay address of the node that has the subnet.</summary>
    [FieldOffset(0)]
    public OverlayAddress Vtep;

    /// <summary>Hardware address of that node's vxlan device.</summary>
    [FieldOffset(16)]
    public OverlayMac VtepMac;

    /// <summary>What packets to it are sent by.</summary>
    [FieldOffset(22)]
    public OverlayTransport Transport;

    /// <summary>Zero.</summary>
    [FieldOffset(23)]
    public byte Reserved;
}
