using Microsoft.Win32.SafeHandles;

namespace Accelerated.Interop.Libbpf;

/// <summary>An owned struct ring_buffer.</summary>
internal sealed class RingBufferHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    /// <summary>Called by the generated marshalling code.</summary>
    public RingBufferHandle()
        : base(ownsHandle: true)
    {
    }

    protected override bool ReleaseHandle()
    {
        LibbpfApi.ring_buffer__free(handle);
        return true;
    }
}
