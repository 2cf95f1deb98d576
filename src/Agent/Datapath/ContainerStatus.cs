namespace Accelerated.Agent.Datapath;

/// <summary>A container of this host as lane 2 sees it.</summary>
/// <param name="Address">Its overlay address.</param>
/// <param name="Interface">The host's end of its veth, or null where that is not known.</param>
/// <param name="LeftOut">Why lane 2 does not reach it, or null when it does.</param>
public sealed record ContainerStatus(string Address, string? Interface, string? LeftOut);
