using System.Runtime.CompilerServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>A hardware address in six bytes, as the maps have it.</summary>
[InlineArray(MacAddress.Length)]
public struct OverlayMac
{
    private byte _first;

    /// <summary>Makes it of an address.</summary>
    public static OverlayMac From(MacAddress address)
    {
        var result = default(OverlayMac);
        address.CopyTo(result);
        return result;
    }

    /// <summary>The address.</summary>
    public readonly MacAddress ToMacAddress() => MacAddress.FromBytes(this);

    /// <summary>The colon form.</summary>
    public override readonly string ToString() => ToMacAddress().ToString();
}
