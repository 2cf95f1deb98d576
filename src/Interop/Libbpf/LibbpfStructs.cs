using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Accelerated.Interop.Libbpf;

/// <summary>The start of struct bpf_object_open_opts; sz tells libbpf that the rest is not there.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct BpfObjectOpenOpts
{
    internal nuint sz;
    internal byte* object_name;
}

/// <summary>The start of struct bpf_link_create_opts of bpf/bpf.h; sz tells libbpf that the rest is not there.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BpfLinkCreateOpts
{
    internal nuint sz;
    internal uint flags;
    internal uint padding;
}

/// <summary>struct bpf_test_run_opts of bpf/bpf.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct BpfTestRunOpts
{
    internal nuint sz;
    internal void* data_in;
    internal void* data_out;
    internal uint data_size_in;
    internal uint data_size_out;
    internal void* ctx_in;
    internal void* ctx_out;
    internal uint ctx_size_in;
    internal uint ctx_size_out;
    internal uint retval;
    internal int repeat;
    internal uint duration;
    internal uint flags;
    internal uint cpu;
    internal uint batch_size;
}

/// <summary>struct bpf_map_batch_opts of bpf/bpf.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BpfMapBatchOpts
{
    internal nuint sz;
    internal ulong elem_flags;
    internal ulong flags;
}

/// <summary>struct bpf_tc_hook of bpf/libbpf.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BpfTcHook
{
    internal nuint sz;
    internal int ifindex;
    internal int attach_point;
    internal uint parent;
    internal uint padding;
}

/// <summary>struct bpf_tc_opts of bpf/libbpf.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BpfTcOpts
{
    internal nuint sz;
    internal int prog_fd;
    internal uint flags;
    internal uint prog_id;
    internal uint handle;
    internal uint priority;
    internal uint padding;
}

/// <summary>The name of a map or program as the kernel keeps it: NUL-terminated, at most 15 characters.</summary>
[InlineArray(16)]
internal struct BpfName
{
    private byte _first;

    public override readonly string ToString()
    {
        ReadOnlySpan<byte> bytes = this;
        var end = bytes.IndexOf((byte)0);
        return System.Text.Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}

/// <summary>The start of struct bpf_map_info of linux/bpf.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BpfMapInfo
{
    internal uint type;
    internal uint id;
    internal uint key_size;
    internal uint value_size;
    internal uint max_entries;
    internal uint map_flags;
    internal BpfName name;
}

/// <summary>The start of struct bpf_prog_info of linux/bpf.h.</summary>
[StructLayout(LayoutKind.Explicit, Size = 208)]
internal struct BpfProgInfo
{
    [FieldOffset(0)]
    internal uint type;

    [FieldOffset(4)]
    internal uint id;

    [FieldOffset(64)]
    internal BpfName name;

    [FieldOffset(192)]
    internal ulong run_time_ns; // Linux 5.1, as the next.

    [FieldOffset(200)]
    internal ulong run_cnt;
}

/// <summary>struct bpf_link_info of linux/bpf.h, with the tcx member of its union (Linux 6.6), whose first half is also the xdp member.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct BpfLinkInfoNative
{
    [FieldOffset(0)]
    internal uint type;

    [FieldOffset(4)]
    internal uint id;

    [FieldOffset(8)]
    internal uint prog_id;

    [FieldOffset(16)]
    internal uint ifindex;

    [FieldOffset(20)]
    internal uint tcx_attach_type;
}

/// <summary>struct __sk_buff of linux/bpf.h: the members BPF_PROG_TEST_RUN takes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 192)]
internal struct SkBuff
{
    [FieldOffset(8)]
    internal uint mark;

    [FieldOffset(32)]
    internal uint priority;

    [FieldOffset(36)]
    internal uint ingress_ifindex;

    [FieldOffset(40)]
    internal uint ifindex;

    [FieldOffset(152)]
    internal ulong tstamp;

    [FieldOffset(160)]
    internal uint wire_len;

    [FieldOffset(164)]
    internal uint gso_segs;

    [FieldOffset(176)]
    internal uint gso_size;
}
