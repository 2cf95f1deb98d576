using System.Net;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Key of the vteps map: a node's underlay address (struct vtep_key of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
public struct VtepKey
{
    /// <summary>The address.</summary>
    [FieldOffset(0)]
    public OverlayAddress Address;

    /// <summary>Makes the key of an address.</summary>
    public static VtepKey From(IPAddress address) => new() { Address = OverlayAddress.From(address) };

    /// <summary>The address in its usual form.</summary>
    public override readonly string ToString() => Address.ToString();
}
