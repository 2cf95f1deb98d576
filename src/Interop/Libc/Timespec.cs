using System.Runtime.InteropServices;

namespace Accelerated.Interop.Native;

/// <summary>struct timespec of a 64-bit system (time.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Timespec
{
    internal long Seconds;
    internal long Nanoseconds;
}
