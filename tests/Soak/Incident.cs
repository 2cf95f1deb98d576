using Accelerated.Lab;
using Accelerated.Soak.Faults;

namespace Accelerated.Soak;

/// <summary>A fault that happened. Times are of the wall clock, as those of ping and of the agent's log are.</summary>
/// <param name="Number">Its place in the schedule.</param>
/// <param name="Fault">What.</param>
/// <param name="Detail">What exactly.</param>
/// <param name="Begin">When it was about to be made.</param>
/// <param name="Made">When it was made.</param>
/// <param name="End">When it was undone; as <paramref name="Made"/> where there is nothing to undo.</param>
internal sealed record Incident(int Number, Fault Fault, string Detail, DateTimeOffset Begin, DateTimeOffset Made, DateTimeOffset End)
{
    /// <summary>Whether it can meet what a node does or what passes it.</summary>
    public bool Meets(LabNode node) => Fault.Node is null || Fault.Node == node;

    /// <inheritdoc/>
    public override string ToString() => $"#{Number} {Fault.Name} ({Fault.Place})";
}
