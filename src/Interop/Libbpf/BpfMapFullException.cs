namespace Accelerated.Interop.Libbpf;

/// <summary>A map has no room for another entry. What is in it stays and works.</summary>
/// <param name="map">The map's name.</param>
/// <param name="maxEntries">How many entries it holds.</param>
/// <param name="errno">What the kernel said: E2BIG for hashes, ENOSPC for tries.</param>
/// <param name="written">Entries of the failed call that were written before.</param>
public sealed class BpfMapFullException(string map, int maxEntries, int errno, int written)
    : NativeException($"map {map} is full with {maxEntries} entries", errno)
{
    /// <summary>The map's name.</summary>
    public string Map { get; } = map;

    /// <summary>How many entries it holds.</summary>
    public int MaxEntries { get; } = maxEntries;

    /// <summary>Entries of the failed call that were written before the map was full.</summary>
    public int Written { get; } = written;
}
