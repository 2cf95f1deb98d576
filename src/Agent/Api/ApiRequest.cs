namespace Accelerated.Agent.Api;

/// <summary>A request on the agent's socket: one line of JSON.</summary>
/// <param name="Method">What is asked for: <c>status</c>.</param>
public sealed record ApiRequest(string? Method);
