using Microsoft.Win32.SafeHandles;

namespace Accelerated.Interop.Native;

/// <summary>An owned file descriptor; closed once, whatever happens.</summary>
internal sealed class FileDescriptor : SafeHandleMinusOneIsInvalid
{
    /// <summary>Called by the generated marshalling code, which fills in the descriptor.</summary>
    public FileDescriptor()
        : base(ownsHandle: true)
    {
    }

    protected override bool ReleaseHandle() => Libc.close((int)handle) == 0;
}
