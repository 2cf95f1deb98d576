namespace Accelerated.Interop.Libbpf;

/// <summary>What a probe found.</summary>
public enum FeatureSupport
{
    /// <summary>The probe could not tell, for lack of rights or memory, say. Ask again later.</summary>
    Inconclusive,

    /// <summary>The kernel does not have it.</summary>
    Unsupported,

    /// <summary>It is there.</summary>
    Supported,
}
