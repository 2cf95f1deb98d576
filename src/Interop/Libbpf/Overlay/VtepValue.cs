using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Value of the vteps map, one for each CPU: what the lanes carried to and from a node (struct vtep_value of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
public struct VtepValue
{
    /// <summary>Packets sent to the node.</summary>
    [FieldOffset(0)]
    public ulong PacketsOut;

    /// <summary>Bytes of inner Ethernet frames sent to the node.</summary>
    [FieldOffset(8)]
    public ulong BytesOut;

    /// <summary>Packets received from the node.</summary>
    [FieldOffset(16)]
    public ulong PacketsIn;

    /// <summary>Bytes of inner Ethernet frames received from the node.</summary>
    [FieldOffset(24)]
    public ulong BytesIn;

    /// <summary>All CPUs together.</summary>
    public static VtepValue Sum(ReadOnlySpan<VtepValue> perCpu)
    {
        var sum = default(VtepValue);
        foreach (ref readonly var one in perCpu)
        {
            sum.PacketsOut += one.PacketsOut;
            sum.BytesOut += one.BytesOut;
            sum.PacketsIn += one.PacketsIn;
            sum.BytesIn += one.BytesIn;
        }

        return sum;
    }
}
