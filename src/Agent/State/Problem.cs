namespace Accelerated.Agent.State;

/// <summary>Something an operator should know: what is wrong and what to do about it.</summary>
/// <param name="Severity">How bad it is.</param>
/// <param name="Code">A stable word for scripts, for example <c>etcd-unreachable</c>.</param>
/// <param name="Message">One sentence.</param>
/// <param name="Remedy">What to do, as an imperative.</param>
public sealed record Problem(ProblemSeverity Severity, string Code, string Message, string Remedy);
