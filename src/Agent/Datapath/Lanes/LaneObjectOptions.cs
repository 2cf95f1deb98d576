namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Where the lanes' programs come from.</summary>
/// <param name="Compile"><c>--bpf-compile</c>.</param>
/// <param name="Directory"><c>--bpf-object-dir</c>: objects in it go before all others; null for none.</param>
/// <param name="CacheDirectory">Where sources are unpacked and objects compiled on this host are kept.</param>
public sealed record LaneObjectOptions(LaneCompile Compile, string? Directory, string CacheDirectory);
