namespace Accelerated.Interop.Netfilter;

/// <summary>The values from <paramref name="Low"/> to <paramref name="High"/>, both included.</summary>
/// <param name="Low">The lowest.</param>
/// <param name="High">The highest.</param>
public readonly record struct ValueRange(UInt128 Low, UInt128 High)
{
    /// <summary>Every value.</summary>
    public static ValueRange Any { get; } = new(0, UInt128.MaxValue);

    /// <summary>Whether all of another range is in this one.</summary>
    public bool Contains(ValueRange other) => Low <= other.Low && other.High <= High;

    /// <summary>Whether this and another range have a value in common.</summary>
    public bool Overlaps(ValueRange other) => Low <= other.High && other.Low <= High;
}
