using Accelerated.Interop.Native;

namespace Accelerated.Interop;

/// <summary>The C library's heap: what libnftables, libbpf and the runtime itself allocate from.</summary>
public static class NativeHeap
{
    // M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    private const int TrimThreshold = -1;
    private const int MmapThreshold = -3;
    private const int OwnBlock = 4 << 20;
    private const int KeptEnd = 1 << 20;

    /// <summary>
    /// Fixes the limits above which a block is memory of its own, and a free end of a heap is given back (mallopt(3)). Else the C library raises them to the largest
    /// block that it has seen: after one verifier log of libbpf's, of 16 MB, a thread's heap keeps as much for good, and <see cref="Trim"/> does not get at it.
    /// </summary>
    public static void KeepLittle()
    {
        _ = Libc.mallopt(MmapThreshold, OwnBlock);
        _ = Libc.mallopt(TrimThreshold, KeptEnd);
    }

    /// <summary>Gives what is free in it back to the kernel (malloc_trim(3)). After a large transaction libnftables leaves tens of megabytes.</summary>
    public static void Trim() => _ = Libc.malloc_trim(0);
}
