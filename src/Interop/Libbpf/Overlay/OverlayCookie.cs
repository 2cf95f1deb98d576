using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>What the programs know each other by (config_value.cookie of bpf/types.h): 64 random bits in two words, or zero for none.</summary>
[InlineArray(2)]
public struct OverlayCookie
{
    private uint _first;

    /// <summary>Whether there is none.</summary>
    public readonly bool IsZero => (this[0] | this[1]) == 0;

    /// <summary>Draws one that is not zero.</summary>
    public static OverlayCookie Draw()
    {
        var cookie = default(OverlayCookie);
        do
        {
            RandomNumberGenerator.Fill(MemoryMarshal.AsBytes((Span<uint>)cookie));
        }
        while (cookie.IsZero);
        return cookie;
    }
}
