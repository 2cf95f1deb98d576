using System.Net;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Key of the endpoints map: a container's overlay address (struct endpoint_key of bpf/types.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
public struct EndpointKey
{
    /// <summary>The address.</summary>
    [FieldOffset(0)]
    public OverlayAddress Address;

    /// <summary>Makes the key of an address.</summary>
    public static EndpointKey From(IPAddress address) => new() { Address = OverlayAddress.From(address) };

    /// <summary>The address in its usual form.</summary>
    public override readonly string ToString() => Address.ToString();
}
