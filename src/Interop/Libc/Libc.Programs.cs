using System.Runtime.InteropServices;

namespace Accelerated.Interop.Native;

/// <summary>What a process that is itself called as a program needs: standard streams, other programs, a unix socket, its end.</summary>
internal static unsafe partial class Libc
{
    internal const int AF_UNIX = 1;
    internal const int SOCK_STREAM = 1;
    internal const int SO_SNDTIMEO = 21;
    internal const int MSG_NOSIGNAL = 0x4000;
    internal const uint MFD_CLOEXEC = 1;
    internal const short POSIX_SPAWN_SETSIGDEF = 4;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int connect(FileDescriptor fd, SockAddrUn* address, uint length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint send(FileDescriptor fd, byte* data, nuint length, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint recv(FileDescriptor fd, byte* data, nuint length, int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint read(int fd, void* data, nuint length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint write(int fd, void* data, nuint length);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int memfd_create(string name, uint flags);

    /// <summary>posix_spawn(3) and its kin give the error number back instead of setting errno.</summary>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawn(int* pid, string path, byte* actions, byte* attributes, nint* arguments, nint* environment);

    [LibraryImport(Library)]
    internal static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport(Library)]
    internal static partial int posix_spawn_file_actions_adddup2(byte* actions, int fd, int newFd);

    [LibraryImport(Library)]
    internal static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport(Library)]
    internal static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport(Library)]
    internal static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* signals);

    [LibraryImport(Library)]
    internal static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport(Library)]
    internal static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int waitpid(int pid, int* status, int options);

    [LibraryImport(Library)]
    internal static partial void _exit(int status);
}

/// <summary>struct sockaddr_un of sys/un.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SockAddrUn
{
    internal ushort sun_family;
    internal fixed byte sun_path[108];
}
