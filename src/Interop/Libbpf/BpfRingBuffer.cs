using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf;

/// <summary>Reads a map of type RINGBUF: records that programs put there, in the order they did. For one thread at a time.</summary>
/// <typeparam name="T">The records: a structure with the layout C gives it.</typeparam>
public sealed unsafe class BpfRingBuffer<T> : IDisposable
    where T : unmanaged
{
    private readonly string _name;
    private readonly RingBufferHandle _ring;

    /// <summary>Maps the ring into this process.</summary>
    /// <param name="map">The map; it may be closed afterwards.</param>
    /// <exception cref="NativeException">EINVAL for a map of another type.</exception>
    public BpfRingBuffer(BpfMap map)
    {
        ArgumentNullException.ThrowIfNull(map);
        _name = map.Name;
        _ring = LibbpfApi.ring_buffer__new(map.Descriptor, &RingBufferSink.Take, 0, null);
        if (_ring.IsInvalid)
            throw NativeException.FromLastError($"read ring buffer {_name}");
    }

    /// <summary>Takes out the records that are there, without waiting; oldest first.</summary>
    /// <exception cref="NativeException">The ring cannot be read.</exception>
    /// <exception cref="InvalidOperationException">A record has another size.</exception>
    public IReadOnlyList<T> Consume()
    {
        var (result, records) = RingBufferSink.Collect(() => LibbpfApi.ring_buffer__consume(_ring));
        BpfDescriptor.Check(result, $"read ring buffer {_name}");
        return [.. records.Select(r => r.Length == Unsafe.SizeOf<T>()
            ? MemoryMarshal.Read<T>(r)
            : throw new InvalidOperationException($"{r.Length} bytes in a record of {_name}, where {typeof(T).Name} has {Unsafe.SizeOf<T>()}"))];
    }

    /// <summary>Lets go of the ring; the map stays.</summary>
    public void Dispose() => _ring.Dispose();
}
