using Microsoft.Win32.SafeHandles;

namespace Accelerated.Interop.Native;

/// <summary>An owned file descriptor; closed once, whatever happens.</summary>
internal sealed class FileDescriptor : SafeHandleMinusOneIsInvalid
{
    /// <summary>Takes over what a call returned; -1 gives an invalid handle and leaves errno as it is.</summary>
    /// <remarks>
    /// The calls are declared to return int, not this class: the marshaller would read a 64-bit register of which the C library
    /// sets the lower half only, and -1 would pass for descriptor 4294967295.
    /// </remarks>
    internal FileDescriptor(int fd)
        : base(ownsHandle: true) => SetHandle(fd);

    protected override bool ReleaseHandle() => Libc.close((int)handle) == 0;
}
