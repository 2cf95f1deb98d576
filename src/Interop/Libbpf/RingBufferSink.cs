using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf;

/// <summary>Where libbpf's callback puts the records of a ring buffer: it runs on the thread that asked for them.</summary>
internal static unsafe class RingBufferSink
{
    [ThreadStatic]
    private static List<byte[]>? _records;

    /// <summary>Runs a call of libbpf and gives its result with the records it handed out.</summary>
    internal static (int Result, List<byte[]> Records) Collect(Func<int> call)
    {
        var records = new List<byte[]>();
        _records = records;
        try
        {
            return (call(), records);
        }
        finally
        {
            _records = null;
        }
    }

    /// <summary>ring_buffer_sample_fn: copies, because the place is free again when it returns.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    internal static int Take(nint context, void* data, nuint size)
    {
        _records!.Add(new ReadOnlySpan<byte>(data, (int)size).ToArray());
        return 0;
    }
}
