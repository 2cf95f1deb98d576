using System.Runtime.CompilerServices;

namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>One number for each conntrack direction: element 0 is the original one, 1 the reply's.</summary>
[InlineArray(2)]
public struct DirectionPair
{
    private uint _original;

    /// <summary>Makes a pair.</summary>
    public static DirectionPair Of(uint original, uint reply)
    {
        var pair = default(DirectionPair);
        (pair[0], pair[1]) = (original, reply);
        return pair;
    }
}
