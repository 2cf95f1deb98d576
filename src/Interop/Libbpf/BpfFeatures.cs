using System.Collections.Concurrent;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>What this kernel can do with BPF, found out by trying. Conclusive answers are remembered; a kernel does not change.</summary>
/// <remarks>A missing libbpf is a <see cref="NativeLibraryMissingException"/> of the probes that need it.</remarks>
public static unsafe class BpfFeatures
{
    private const string KernelBtf = "/sys/kernel/btf/vmlinux";
    private const uint BpfFsMagic = 0xcafe4a11;

    private static readonly ConcurrentDictionary<string, FeatureProbe> Answers = new();

    /// <summary>Whether the kernel tells its types (CONFIG_DEBUG_INFO_BTF), which CO-RE and kernel functions need.</summary>
    public static FeatureProbe Btf => Remembered(nameof(Btf), ProbeBtf);

    /// <summary>Whether tc programs can be loaded: bpf(2) and CAP_BPF with CAP_NET_ADMIN, or CAP_SYS_ADMIN.</summary>
    public static FeatureProbe ProgramLoad => Remembered(nameof(ProgramLoad), ProbeProgramLoad);

    /// <summary>Whether tc programs can be attached by links (Linux 6.6).</summary>
    public static FeatureProbe Tcx => Remembered(nameof(Tcx), ProbeTcx);

    /// <summary>Whether a folder lies in a BPF file system, so that things can be pinned there. Asked anew each time: mounts change.</summary>
    public static FeatureProbe BpfFs(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);

        // struct statfs begins with f_type, a long; 120 bytes on 64-bit Linux, with room to spare.
        var buffer = stackalloc long[32];
        if (Libc.statfs(path, buffer) != 0)
        {
            var failure = NativeException.FromLastError($"look at {path}");
            return new(failure.Errno is Errno.ENOENT ? FeatureSupport.Unsupported : FeatureSupport.Inconclusive, failure.Message);
        }

        return (uint)buffer[0] == BpfFsMagic
            ? new(FeatureSupport.Supported, $"{path} is in a BPF file system")
            : new(FeatureSupport.Unsupported, $"{path} is not in a BPF file system (mount -t bpf bpf {path})");
    }

    private static FeatureProbe Remembered(string name, Func<FeatureProbe> probe)
    {
        if (Answers.TryGetValue(name, out var known))
            return known;
        var answer = probe();
        if (answer.Support != FeatureSupport.Inconclusive)
            Answers[name] = answer;
        return answer;
    }

    private static FeatureProbe ProbeBtf() =>
        File.Exists(KernelBtf)
            ? new(FeatureSupport.Supported, $"{KernelBtf} is there")
            : Directory.Exists("/sys/kernel")
                ? new(FeatureSupport.Unsupported, $"{KernelBtf} is missing: the kernel was built without CONFIG_DEBUG_INFO_BTF")
                : new(FeatureSupport.Inconclusive, "/sys is not mounted");

    private static FeatureProbe ProbeProgramLoad()
    {
        using var program = LoadEmptyProgram(out var errno);
        return errno switch
        {
            0 => new(FeatureSupport.Supported, "a tc program was loaded"),
            Errno.ENOSYS => new(FeatureSupport.Unsupported, "the kernel was built without CONFIG_BPF_SYSCALL"),
            Errno.EINVAL => new(FeatureSupport.Unsupported, "the kernel knows no tc programs (CONFIG_NET_CLS_ACT, CONFIG_NET_CLS_BPF)"),
            Errno.EPERM => new(FeatureSupport.Inconclusive, "loading programs is not permitted: CAP_BPF and CAP_NET_ADMIN are needed"),
            _ => new(FeatureSupport.Inconclusive, $"loading a tc program: {ErrnoNames.Describe(errno)}"),
        };
    }

    // No interface has index int.MaxValue. A kernel with tcx looks for it (ENODEV); one without does not get that far (EINVAL).
    private static FeatureProbe ProbeTcx()
    {
        using var program = LoadEmptyProgram(out var errno);
        if (errno != 0)
            return new(FeatureSupport.Inconclusive, $"no program to attach: {ErrnoNames.Describe(errno)}");

        var result = LibbpfApi.bpf_link_create(program, int.MaxValue, (int)TcxHook.Ingress, options: null);
        new FileDescriptor(result < 0 ? -1 : result).Dispose();
        return -result switch
        {
            Errno.ENODEV => new(FeatureSupport.Supported, "the kernel has tcx links"),
            Errno.EINVAL => new(FeatureSupport.Unsupported, "the kernel has no tcx links (Linux 6.6 has)"),
            _ => new(FeatureSupport.Inconclusive, $"attaching to no interface: {(result < 0 ? ErrnoNames.Describe(-result) : "it worked")}"),
        };
    }

    private static FileDescriptor LoadEmptyProgram(out int errno)
    {
        LibbpfApi.EnsureLoaded();
        var instructions = stackalloc ulong[] { 0xb7, 0x95 }; // r0 = 0; exit.
        var result = LibbpfApi.bpf_prog_load(LibbpfApi.BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", instructions, 2, options: null);
        errno = result < 0 ? -result : 0;
        return new(result < 0 ? -1 : result);
    }
}
