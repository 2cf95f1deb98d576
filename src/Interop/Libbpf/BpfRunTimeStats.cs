using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>
/// Has the kernel measure every BPF program on the machine until it is disposed (BPF_ENABLE_STATS of bpf(2), Linux 5.8). Unlike the sysctl
/// kernel.bpf_stats_enabled it ends with its owner, however that dies. Each run of a program costs two looks at the clock more meanwhile.
/// </summary>
public sealed class BpfRunTimeStats : IDisposable
{
    private readonly FileDescriptor _fd;

    private BpfRunTimeStats(FileDescriptor fd) => _fd = fd;

    /// <summary>Begins; <see cref="BpfProgram.RunTime"/> counts from now on.</summary>
    /// <exception cref="NativeException">EPERM: CAP_SYS_ADMIN is missing. EINVAL: a kernel before 5.8.</exception>
    public static BpfRunTimeStats Enable()
    {
        LibbpfApi.EnsureLoaded();
        return new(new FileDescriptor(BpfDescriptor.Check(LibbpfApi.bpf_enable_stats(LibbpfApi.BPF_STATS_RUN_TIME), "enable run time statistics of BPF programs")));
    }

    /// <summary>Ends it, unless somebody else wants it too.</summary>
    public void Dispose() => _fd.Dispose();
}
