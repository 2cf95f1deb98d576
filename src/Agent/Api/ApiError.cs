namespace Accelerated.Agent.Api;

/// <summary>The answer to a request that cannot be served: one line of JSON.</summary>
/// <param name="Error">What is wrong with it.</param>
public sealed record ApiError(string Error);
