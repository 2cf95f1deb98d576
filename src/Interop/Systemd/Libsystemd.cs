using System.Runtime.InteropServices;

namespace Accelerated.Interop.Systemd;

/// <summary>The signatures of libsystemd (systemd/sd-daemon.h, systemd/sd-journal.h), under their native names. All return the negative error number.</summary>
internal static unsafe partial class Libsystemd
{
    internal const string Library = "libsystemd.so.0";

    /// <summary>Whether the library is here. Hosts without systemd lack it, and miss nothing that it could do for them.</summary>
    internal static bool IsInstalled { get; } = NativeLibrary.TryLoad(Library, out _);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int sd_notify(int unsetEnvironment, string state);

    [LibraryImport(Library)]
    internal static partial int sd_watchdog_enabled(int unsetEnvironment, ulong* microseconds);

    [LibraryImport(Library)]
    internal static partial int sd_journal_sendv(IoVec* fields, int count);
}

/// <summary>struct iovec of sys/uio.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct IoVec
{
    internal byte* iov_base;
    internal nuint iov_len;
}
