using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Soak;

/// <summary>What an agent holds at one moment.</summary>
/// <param name="Node">Number of its host.</param>
/// <param name="ProcessId">Which of its lives.</param>
/// <param name="At">When.</param>
/// <param name="Descriptors">Open file descriptors.</param>
/// <param name="PssKilobytes">Memory, with its share of what it shares.</param>
internal sealed record Vitals(int Node, int ProcessId, DateTimeOffset At, int Descriptors, long PssKilobytes)
{
    /// <summary>Looks; null if the agent is away.</summary>
    public static Vitals? TryLook(LabNode node)
    {
        if (!node.AgentIsRunning)
            return null;
        var pid = node.AgentProcessId;
        try
        {
            var pss = File.ReadLines($"/proc/{pid}/smaps_rollup").Single(l => l.StartsWith("Pss:", StringComparison.Ordinal));
            return new Vitals(
                node.Number, pid, DateTimeOffset.UtcNow, Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd").Count(),
                long.Parse(pss.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return null; // It ended while it was looked at.
        }
    }
}
