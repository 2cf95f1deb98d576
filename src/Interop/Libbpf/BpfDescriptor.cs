using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>What maps, programs and links have in common: a descriptor, information behind it, and a place in a BPF file system.</summary>
internal static unsafe class BpfDescriptor
{
    internal const string Map = "bpf-map";
    internal const string Program = "bpf-prog";
    internal const string Link = "bpf-link";

    /// <summary>Throws for a negative error number; otherwise gives the result back.</summary>
    internal static int Check(int result, string operation, string? detail = null) =>
        result >= 0 ? result : throw new NativeException(operation, -result, detail);

    /// <summary>A descriptor of one's own for what libbpf owns, so that neither's end is the other's.</summary>
    internal static FileDescriptor Duplicate(int fd, string name)
    {
        var copy = new FileDescriptor(fd < 0 ? -1 : Libc.fcntl(fd, Libc.F_DUPFD_CLOEXEC, 0));
        return !copy.IsInvalid ? copy
            : fd < 0 ? throw new InvalidOperationException($"{name} is not loaded yet")
            : throw NativeException.FromLastError($"duplicate the descriptor of {name}");
    }

    /// <summary>Reads what the kernel knows (BPF_OBJ_GET_INFO_BY_FD); a shorter answer of an older kernel leaves zeroes.</summary>
    internal static T Info<T>(FileDescriptor fd, string name)
        where T : unmanaged
    {
        var info = default(T);
        var length = (uint)Unsafe.SizeOf<T>();
        Check(LibbpfApi.bpf_obj_get_info_by_fd(fd, &info, &length), $"read the properties of {name}");
        return info;
    }

    internal static void Pin(FileDescriptor fd, string name, string path) =>
        Check(LibbpfApi.bpf_obj_pin(fd, path), $"pin {name} at {path}");

    /// <summary>Opens what is pinned; null when nothing is.</summary>
    /// <exception cref="NativeException">No access, or something of another kind is pinned there (EINVAL).</exception>
    internal static FileDescriptor? OpenPinned(string path, string kind)
    {
        ArgumentNullException.ThrowIfNull(path);
        LibbpfApi.EnsureLoaded();
        var result = LibbpfApi.bpf_obj_get(path);
        if (result == -Errno.ENOENT)
            return null;
        var fd = new FileDescriptor(Check(result, $"open {path}"));

        // The kernel answers questions about a map with a program's properties if that is what the descriptor is.
        // A link is bpf-link or bpf_link by the way its descriptor was made.
        var found = (new FileInfo($"/proc/self/fd/{result}").LinkTarget ?? "").Replace('_', '-');
        if (found.EndsWith(kind, StringComparison.Ordinal))
            return fd;
        fd.Dispose();
        throw new NativeException($"open {path}", Errno.EINVAL, $"it is {found}, not {kind}");
    }

    internal static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}
