using Accelerated.Interop.Native;

namespace Accelerated.Interop;

/// <summary>The C library's heap: what libnftables, libbpf and the runtime itself allocate from.</summary>
public static class NativeHeap
{
    /// <summary>Gives what is free in it back to the kernel (malloc_trim(3)). After a large transaction libnftables leaves tens of megabytes.</summary>
    public static void Trim() => _ = Libc.malloc_trim(0);
}
