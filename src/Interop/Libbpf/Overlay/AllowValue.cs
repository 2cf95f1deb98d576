using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Value of the guard_allow map, whose keys say it all (struct allow_value of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 4)]
public struct AllowValue
{
    /// <summary>Zero.</summary>
    [FieldOffset(0)]
    public uint Reserved;
}
