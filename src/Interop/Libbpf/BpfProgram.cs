using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>A loaded BPF program.</summary>
public sealed unsafe class BpfProgram : IDisposable
{
    // What a program may add in front of a packet, with room to spare.
    private const int LargestGrowth = 1024;

    internal BpfProgram(FileDescriptor descriptor, string? name = null)
    {
        Descriptor = descriptor;
        try
        {
            var info = BpfDescriptor.Info<BpfProgInfo>(descriptor, name ?? "program");
            Id = info.id;
            Name = name ?? info.name.ToString();
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>The function's name; of one that was opened from a pin the 15 characters the kernel keeps.</summary>
    public string Name { get; }

    /// <summary>The number <c>bpftool prog</c> shows.</summary>
    public uint Id { get; }

    /// <summary>What the kernel has measured of it so far; it measures only while somebody holds a <see cref="BpfRunTimeStats"/>.</summary>
    public BpfRunTime RunTime
    {
        get
        {
            var info = BpfDescriptor.Info<BpfProgInfo>(Descriptor, Name);
            return new(info.run_cnt, info.run_time_ns);
        }
    }

    internal FileDescriptor Descriptor { get; }

    /// <summary>Opens a loaded program by the number <c>bpftool prog</c> shows; null when it is gone.</summary>
    /// <exception cref="NativeException">EPERM: numbers are for CAP_SYS_ADMIN, paths for everyone else.</exception>
    public static BpfProgram? OpenById(uint id)
    {
        LibbpfApi.EnsureLoaded();
        var result = LibbpfApi.bpf_prog_get_fd_by_id(id);
        return result == -Errno.ENOENT ? null : new(new FileDescriptor(BpfDescriptor.Check(result, $"open BPF program #{id}")));
    }

    /// <summary>Opens a pinned program (<c>bpftool prog show pinned PATH</c>); null when nothing is pinned there.</summary>
    /// <exception cref="NativeException">No access, or what is pinned is no program.</exception>
    public static BpfProgram? OpenPinned(string path) =>
        BpfDescriptor.OpenPinned(path, BpfDescriptor.Program) is { } fd ? new(fd) : null;

    /// <summary>Keeps the program alive under a path in a BPF file system. Names there have no dots.</summary>
    /// <exception cref="NativeException">EEXIST, ENOENT for the folder, EPERM for a file system of another kind.</exception>
    public void Pin(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        BpfDescriptor.Pin(Descriptor, $"program {Name}", path);
    }

    /// <summary>Runs the program on a packet without a network (BPF_PROG_TEST_RUN, <c>bpftool prog run</c>). Redirects go nowhere.</summary>
    /// <param name="packet">From the Ethernet header on; at least 14 bytes and less than a page.</param>
    /// <param name="context">What the program sees beside the packet.</param>
    /// <param name="repeat">How many times, for measuring; the packet that comes out has gone through all of them.</param>
    /// <exception cref="NativeException">EINVAL: too short or too long. EINVAL or ENODEV: the interface does not exist.</exception>
    public BpfTestRun Run(ReadOnlySpan<byte> packet, in BpfTestContext context = default, int repeat = 1)
    {
        var skb = context.ToNative();
        return Run(packet, &skb, sizeof(SkBuff), repeat);
    }

    /// <summary>Runs an XDP program on a frame, which "comes in" on lo. What the program leaves before the frame (data_meta) comes out with it.</summary>
    /// <param name="frame">From the Ethernet header on; at least 14 bytes and less than a page without its headroom.</param>
    /// <param name="repeat">How many times, for measuring; the frame that comes out has gone through all of them.</param>
    /// <returns><see cref="BpfTestRun.ReturnValue"/>: XDP_DROP 1, PASS 2, TX 3, REDIRECT 4.</returns>
    public BpfTestRun RunXdp(ReadOnlySpan<byte> frame, int repeat = 1) => Run(frame, null, 0, repeat);

    /// <summary>
    /// Runs an XDP program on frames as if they had come in, and really sends where it redirects them to (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18).
    /// The memory of a frame is used again as whoever received it has left it: the program writes it anew.
    /// </summary>
    /// <param name="frame">From the Ethernet header on; at least 14 bytes and less than a page without its headroom.</param>
    /// <param name="count">How many.</param>
    /// <exception cref="NativeException">EINVAL: an older kernel, too short or too long. EINTR: a signal came.</exception>
    public void SendXdp(ReadOnlySpan<byte> frame, int count)
    {
        fixed (byte* data = frame)
        {
            var options = new BpfTestRunOpts
            {
                sz = (nuint)sizeof(BpfTestRunOpts),
                data_in = data,
                data_size_in = (uint)frame.Length,
                repeat = count,
                flags = LibbpfApi.BPF_F_TEST_XDP_LIVE_FRAMES,
            };
            BpfDescriptor.Check(LibbpfApi.bpf_prog_test_run_opts(Descriptor, &options), $"send by BPF program {Name}");
        }
    }

    /// <summary>Closes the descriptor; a program that is pinned or attached stays.</summary>
    public void Dispose() => Descriptor.Dispose();

    private BpfTestRun Run(ReadOnlySpan<byte> packet, void* context, int contextSize, int repeat)
    {
        var output = new byte[packet.Length + LargestGrowth];
        fixed (byte* dataIn = packet, dataOut = output)
        {
            var options = new BpfTestRunOpts
            {
                sz = (nuint)sizeof(BpfTestRunOpts),
                data_in = dataIn,
                data_size_in = (uint)packet.Length,
                data_out = dataOut,
                data_size_out = (uint)output.Length,
                ctx_in = context,
                ctx_size_in = (uint)contextSize,
                repeat = repeat,
            };
            BpfDescriptor.Check(LibbpfApi.bpf_prog_test_run_opts(Descriptor, &options), $"run BPF program {Name}");
            return new((int)options.retval, output[..(int)options.data_size_out], TimeSpan.FromMicroseconds(options.duration / 1000.0));
        }
    }
}
