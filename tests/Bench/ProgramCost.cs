namespace Accelerated.Bench;

/// <summary>What a lane's program costs by itself, as the kernel measures it.</summary>
/// <param name="Arm">The arm's name.</param>
/// <param name="Case">The case's id.</param>
/// <param name="Node">The host, from 1: 1 has the client.</param>
/// <param name="Program">The program's name.</param>
/// <param name="Runs">Packets it saw.</param>
/// <param name="Nanoseconds">Time of each, in ns.</param>
internal sealed record ProgramCost(string Arm, string Case, int Node, string Program, ulong Runs, double Nanoseconds);
