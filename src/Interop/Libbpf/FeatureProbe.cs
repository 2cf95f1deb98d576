namespace Accelerated.Interop.Libbpf;

/// <summary>A probe's answer.</summary>
/// <param name="Support">Whether the feature is there.</param>
/// <param name="Reason">Why that was concluded, in words for an operator.</param>
public readonly record struct FeatureProbe(FeatureSupport Support, string Reason)
{
    /// <summary>Whether it is known to be there.</summary>
    public bool IsSupported => Support == FeatureSupport.Supported;
}
