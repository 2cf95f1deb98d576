namespace Accelerated.Interop.Libbpf;

/// <summary>The place of a filter on a clsact hook. Whoever writes to a slot replaces what is there, so pick one nobody else uses.</summary>
/// <param name="Handle">The number among the filters of the priority; not 0.</param>
/// <param name="Priority">Lower is asked first; not 0.</param>
public readonly record struct TcFilterSlot(uint Handle, ushort Priority);
