using System.Runtime.InteropServices;
using Accelerated.Interop.Native;
using Microsoft.Win32.SafeHandles;

namespace Accelerated.Interop.Libbpf;

/// <summary>The signatures of libbpf (bpf/libbpf.h, bpf/bpf.h), under their native names. From 1.0 on it returns the negative error number.</summary>
internal static unsafe partial class LibbpfApi
{
    internal const string Library = "libbpf.so.1";
    internal const string DebianPackage = "libbpf1";

    internal const int LIBBPF_WARN = 0;
    internal const int BPF_PROG_TYPE_SCHED_CLS = 3;
    internal const int BPF_LINK_TYPE_XDP = 6; // Linux 5.9.
    internal const int BPF_LINK_TYPE_TCX = 11; // Linux 6.6.
    internal const int BPF_XDP = 37; // enum bpf_attach_type.
    internal const uint XDP_FLAGS_DRV_MODE = 1 << 2;
    internal const int BPF_TC_INGRESS = 1;
    internal const int BPF_TC_EGRESS = 2;
    internal const uint BPF_TC_F_REPLACE = 1;
    internal const int BPF_STATS_RUN_TIME = 0;
    internal const uint BPF_F_TEST_XDP_LIVE_FRAMES = 1 << 1; // Linux 5.18.

    /// <summary>Loads the library on first use and takes its log off stderr.</summary>
    /// <exception cref="NativeLibraryMissingException">It is not installed.</exception>
    internal static void EnsureLoaded()
    {
        NativeLibraryMissingException.ThrowIfMissing(Library, DebianPackage);
        LibbpfLog.Install();
    }

    [LibraryImport(Library)]
    internal static partial nint libbpf_set_print(delegate* unmanaged[Cdecl]<int, byte*, nint, int> print);

    [LibraryImport(Library)]
    internal static partial int libbpf_num_possible_cpus();

    [LibraryImport(Library, SetLastError = true)]
    internal static partial BpfObjectHandle bpf_object__open_mem(byte* elf, nuint size, BpfObjectOpenOpts* options);

    [LibraryImport(Library)]
    internal static partial void bpf_object__close(nint obj);

    [LibraryImport(Library)]
    internal static partial int bpf_object__load(BpfObjectHandle obj);

    [LibraryImport(Library)]
    internal static partial nint bpf_object__next_program(BpfObjectHandle obj, nint previous);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint bpf_object__find_program_by_name(BpfObjectHandle obj, string name);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint bpf_object__find_map_by_name(BpfObjectHandle obj, string name);

    [LibraryImport(Library)]
    internal static partial byte* bpf_program__name(nint program);

    [LibraryImport(Library)]
    internal static partial int bpf_program__fd(nint program);

    [LibraryImport(Library)]
    internal static partial int bpf_program__set_log_buf(nint program, byte* log, nuint size);

    [LibraryImport(Library)]
    internal static partial int bpf_map__fd(nint map);

    [LibraryImport(Library)]
    internal static partial int bpf_map__type(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__key_size(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__value_size(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__max_entries(nint map);

    [LibraryImport(Library)]
    internal static partial uint bpf_map__map_flags(nint map);

    [LibraryImport(Library)]
    internal static partial int bpf_map__reuse_fd(nint map, FileDescriptor fd);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int bpf_prog_load(int type, string name, string license, ulong* instructions, nuint count, void* options);

    [LibraryImport(Library)]
    internal static partial int bpf_prog_test_run_opts(FileDescriptor program, BpfTestRunOpts* options);

    [LibraryImport(Library)]
    internal static partial int bpf_enable_stats(int type);

    [LibraryImport(Library)]
    internal static partial int bpf_obj_get_info_by_fd(FileDescriptor fd, void* info, uint* length);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int bpf_obj_pin(FileDescriptor fd, string path);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int bpf_obj_get(string path);

    [LibraryImport(Library)]
    internal static partial int bpf_link_create(FileDescriptor program, int target, int attachType, void* options);

    [LibraryImport(Library)]
    internal static partial int bpf_link_update(FileDescriptor link, FileDescriptor program, void* options);

    [LibraryImport(Library)]
    internal static partial int bpf_link_detach(FileDescriptor link);

    [LibraryImport(Library)]
    internal static partial int bpf_prog_query(int target, int attachType, uint queryFlags, uint* attachFlags, uint* ids, uint* count);

    [LibraryImport(Library)]
    internal static partial int bpf_prog_get_fd_by_id(uint id);

    [LibraryImport(Library)]
    internal static partial int bpf_map_lookup_elem(FileDescriptor map, void* key, void* value);

    [LibraryImport(Library)]
    internal static partial int bpf_map_update_elem(FileDescriptor map, void* key, void* value, ulong flags);

    [LibraryImport(Library)]
    internal static partial int bpf_map_delete_elem(FileDescriptor map, void* key);

    [LibraryImport(Library)]
    internal static partial int bpf_map_get_next_key(FileDescriptor map, void* key, void* next);

    [LibraryImport(Library)]
    internal static partial int bpf_map_lookup_batch(
        FileDescriptor map, void* inBatch, void* outBatch, void* keys, void* values, uint* count, BpfMapBatchOpts* options);

    [LibraryImport(Library)]
    internal static partial int bpf_map_update_batch(FileDescriptor map, void* keys, void* values, uint* count, BpfMapBatchOpts* options);

    [LibraryImport(Library)]
    internal static partial int bpf_map_delete_batch(FileDescriptor map, void* keys, uint* count, BpfMapBatchOpts* options);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial RingBufferHandle ring_buffer__new(
        FileDescriptor map, delegate* unmanaged[Cdecl]<nint, void*, nuint, int> sample, nint context, void* options);

    [LibraryImport(Library)]
    internal static partial int ring_buffer__consume(RingBufferHandle ring);

    [LibraryImport(Library)]
    internal static partial void ring_buffer__free(nint ring);

    [LibraryImport(Library)]
    internal static partial int bpf_tc_hook_create(BpfTcHook* hook);

    [LibraryImport(Library)]
    internal static partial int bpf_tc_attach(BpfTcHook* hook, BpfTcOpts* options);

    [LibraryImport(Library)]
    internal static partial int bpf_tc_query(BpfTcHook* hook, BpfTcOpts* options);
}

/// <summary>An owned struct bpf_object.</summary>
internal sealed class BpfObjectHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    /// <summary>Called by the generated marshalling code.</summary>
    public BpfObjectHandle()
        : base(ownsHandle: true)
    {
    }

    protected override bool ReleaseHandle()
    {
        LibbpfApi.bpf_object__close(handle);
        return true;
    }
}
