namespace Accelerated.Agent.Datapath;

/// <summary>A change the kernel refused.</summary>
/// <param name="Peer">Key of the peer it was for, or null when it concerns the node itself.</param>
/// <param name="Error">What was tried and the kernel's answer.</param>
public sealed record DatapathFailure(string? Peer, string Error);
