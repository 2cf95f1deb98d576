using System.Runtime.CompilerServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Three bytes of padding, zero.</summary>
[InlineArray(3)]
public struct OverlayPadding
{
    private byte _first;
}
