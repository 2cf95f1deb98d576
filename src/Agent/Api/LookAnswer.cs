using Accelerated.Agent.Datapath;

namespace Accelerated.Agent.Api;

/// <summary>The answer to <c>look</c>: one line of JSON.</summary>
/// <param name="Containers">What the shortcut knows now of the addresses asked for; nothing without lanes.</param>
public sealed record LookAnswer(IReadOnlyList<ContainerStatus> Containers);
