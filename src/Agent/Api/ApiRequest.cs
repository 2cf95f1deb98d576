namespace Accelerated.Agent.Api;

/// <summary>A request on the agent's socket: one line of JSON.</summary>
/// <param name="Method">What is asked for: <c>status</c>, one line in answer; or <c>drops</c>, lines of <see cref="DropLine"/>;
/// or <c>look</c>: the containers with some addresses are looked for now, and one line says what came of it.</param>
/// <param name="Follow">Of <c>drops</c>: go on until the client hangs up, instead of ending after what is known.</param>
/// <param name="Addresses">Of <c>look</c>: the containers' overlay addresses.</param>
public sealed record ApiRequest(string? Method, bool Follow = false, IReadOnlyList<string>? Addresses = null);
