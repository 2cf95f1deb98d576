using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>A program's attachment to an interface. It ends with the last descriptor or pin, and with the interface.</summary>
public sealed unsafe class BpfLink : IDisposable
{
    private readonly FileDescriptor _fd;

    private BpfLink(FileDescriptor fd) => _fd = fd;

    /// <summary>What the kernel says about the link now.</summary>
    public BpfLinkInfo Info
    {
        get
        {
            var info = BpfDescriptor.Info<BpfLinkInfoNative>(_fd, "link");
            return info.type switch
            {
                LibbpfApi.BPF_LINK_TYPE_TCX => new(info.id, info.prog_id, (int)info.ifindex, (TcxHook)info.tcx_attach_type),
                LibbpfApi.BPF_LINK_TYPE_XDP => new(info.id, info.prog_id, (int)info.ifindex, null),
                _ => new(info.id, info.prog_id, 0, null),
            };
        }
    }

    /// <summary>Attaches a tc program behind those that are on the hook already (<c>bpftool net attach tcx_ingress …</c>, Linux 6.6).</summary>
    /// <param name="program">A program of section <c>tc</c>.</param>
    /// <param name="interfaceIndex">An interface in the network namespace of the calling thread.</param>
    /// <param name="hook">Which way the packets go.</param>
    /// <exception cref="NativeException">ENODEV: no such interface. EINVAL: a kernel without tcx (see <see cref="BpfFeatures.Tcx"/>).
    /// EPERM: CAP_NET_ADMIN is missing.</exception>
    public static BpfLink AttachTcx(BpfProgram program, int interfaceIndex, TcxHook hook)
    {
        ArgumentNullException.ThrowIfNull(program);
        var operation = $"attach {program.Name} to {hook} of interface #{interfaceIndex}";
        return new(new(BpfDescriptor.Check(
            LibbpfApi.bpf_link_create(program.Descriptor, interfaceIndex, (int)hook, options: null), operation)));
    }

    /// <summary>Attaches an XDP program in native mode: the driver runs it before there is an skb (<c>ip link set dev IF xdpdrv</c>, Linux 5.9).</summary>
    /// <param name="program">A program of section <c>xdp</c> or <c>xdp.frags</c>.</param>
    /// <param name="interfaceIndex">An interface in the network namespace of the calling thread.</param>
    /// <exception cref="NativeException">EOPNOTSUPP (in kernels' words also ENOTSUPP, 524) or EINVAL: the driver cannot, or not as the interface is set
    /// up. EBUSY, EEXIST: somebody else's program is there. ENODEV: no such interface. EPERM: CAP_NET_ADMIN is missing.</exception>
    public static BpfLink AttachXdp(BpfProgram program, int interfaceIndex)
    {
        ArgumentNullException.ThrowIfNull(program);
        var options = new BpfLinkCreateOpts { sz = (nuint)sizeof(BpfLinkCreateOpts), flags = LibbpfApi.XDP_FLAGS_DRV_MODE };
        return new(new(BpfDescriptor.Check(
            LibbpfApi.bpf_link_create(program.Descriptor, interfaceIndex, LibbpfApi.BPF_XDP, &options), $"attach {program.Name} to native XDP of interface #{interfaceIndex}")));
    }

    /// <summary>Opens a pinned link (<c>bpftool link show pinned PATH</c>); null when nothing is pinned there.</summary>
    /// <exception cref="NativeException">No access, or what is pinned is no link.</exception>
    public static BpfLink? OpenPinned(string path) => BpfDescriptor.OpenPinned(path, BpfDescriptor.Link) is { } fd ? new(fd) : null;

    /// <summary>Keeps the link alive under a path in a BPF file system; to end it, remove the file and dispose every open link.</summary>
    public void Pin(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        BpfDescriptor.Pin(_fd, "link", path);
    }

    /// <summary>Puts another program in its place, atomically: every packet sees one or the other.</summary>
    /// <exception cref="NativeException">ENOLINK: the interface is gone, or the link was detached.</exception>
    public void Update(BpfProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        BpfDescriptor.Check(LibbpfApi.bpf_link_update(_fd, program.Descriptor, options: null), $"update link to {program.Name}");
    }

    /// <summary>Ends the attachment now, whoever else holds the link. Doing it again is fine.</summary>
    public void Detach() => BpfDescriptor.Check(LibbpfApi.bpf_link_detach(_fd), "detach link");

    /// <summary>Closes the descriptor: an unpinned link ends, a pinned one lives on.</summary>
    public void Dispose() => _fd.Dispose();
}
