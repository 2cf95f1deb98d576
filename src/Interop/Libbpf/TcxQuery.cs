using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>Which programs are on a tcx hook, whoever put them there (<c>bpftool net show</c>).</summary>
public static unsafe class TcxQuery
{
    /// <summary>More than the kernel lets on one hook (BPF_MPROG_MAX).</summary>
    private const int MostPrograms = 64;

    /// <summary>The numbers of the programs in the order they run; none on a kernel without tcx, and for an interface that does not exist.</summary>
    /// <param name="interfaceIndex">An interface in the network namespace of the calling thread.</param>
    /// <param name="hook">Which hook.</param>
    /// <exception cref="NativeException">EPERM: CAP_NET_ADMIN is missing.</exception>
    /// <exception cref="NativeLibraryMissingException">libbpf is not installed.</exception>
    public static IReadOnlyList<uint> Programs(int interfaceIndex, TcxHook hook)
    {
        LibbpfApi.EnsureLoaded();
        var ids = stackalloc uint[MostPrograms];
        uint count = MostPrograms;
        uint flags;
        var result = LibbpfApi.bpf_prog_query(interfaceIndex, (int)hook, 0, &flags, ids, &count);
        if (result is -Errno.EINVAL or -Errno.ENODEV or -Errno.ENOENT)
            return [];
        BpfDescriptor.Check(result, $"list the programs on {hook} of interface #{interfaceIndex}");
        return new ReadOnlySpan<uint>(ids, (int)Math.Min(count, MostPrograms)).ToArray();
    }

    /// <summary>The name of a program by its number; null if it is gone, or without CAP_SYS_ADMIN.</summary>
    public static string? ProgramName(uint id)
    {
        LibbpfApi.EnsureLoaded();
        var fd = LibbpfApi.bpf_prog_get_fd_by_id(id);
        if (fd < 0)
            return null;
        using var program = new BpfProgram(new FileDescriptor(fd));
        return program.Name;
    }
}
