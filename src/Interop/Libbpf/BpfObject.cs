using System.Runtime.InteropServices;
using System.Text;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>A compiled BPF object: opened, given the maps to share, loaded, and then asked for its programs and maps.</summary>
/// <remarks>What it hands out has descriptors of its own and outlives it. One caller at a time.</remarks>
public sealed unsafe class BpfObject : IDisposable
{
    // The largest log all kernels take (UINT_MAX >> 8). The memory is only reserved: pages come as the verifier writes.
    private const int LogSize = (16 << 20) - 1;

    private readonly BpfObjectHandle _object;

    private BpfObject(BpfObjectHandle native, string name)
    {
        _object = native;
        Name = name;
    }

    /// <summary>The name it was opened under.</summary>
    public string Name { get; }

    /// <summary>Reads an ELF file that clang made (<c>-target bpf</c>); nothing reaches the kernel yet.</summary>
    /// <param name="elf">The bytes of the file.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="NativeLibraryMissingException">libbpf is not installed.</exception>
    /// <exception cref="NativeException">It is no BPF object, or libbpf cannot make sense of it.</exception>
    public static BpfObject Open(ReadOnlySpan<byte> elf, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        LibbpfApi.EnsureLoaded();

        fixed (byte* data = elf, text = Encoding.UTF8.GetBytes(name + "\0"))
        {
            var bytes = data;
            var options = new BpfObjectOpenOpts { sz = (nuint)sizeof(BpfObjectOpenOpts), object_name = text };
            var option = &options;
            var length = (nuint)elf.Length;
            var ((native, errno), warnings) = LibbpfLog.Capture(() =>
            {
                var handle = LibbpfApi.bpf_object__open_mem(bytes, length, option);
                return (handle, Marshal.GetLastPInvokeError());
            });
            if (!native.IsInvalid)
                return new(native, name);
            native.Dispose();
            throw new NativeException($"open BPF object {name}", errno, warnings);
        }
    }

    /// <summary>Lets the object use an existing map in place of its own; before <see cref="Load"/>.</summary>
    /// <param name="map">The name of the map in the object.</param>
    /// <param name="existing">The map to use; it may be disposed afterwards.</param>
    /// <exception cref="NativeException">The two differ in type, size or flags (EINVAL), or the object is loaded already.</exception>
    public void Reuse(string map, BpfMap existing)
    {
        ArgumentNullException.ThrowIfNull(existing);
        var native = FindMap(map);

        // libbpf takes over whatever it is given, and the programs would read beyond a smaller value's end, or be refused for it.
        var own = (
            (BpfMapType)LibbpfApi.bpf_map__type(native),
            (int)LibbpfApi.bpf_map__key_size(native),
            (int)LibbpfApi.bpf_map__value_size(native),
            (int)LibbpfApi.bpf_map__max_entries(native),
            LibbpfApi.bpf_map__map_flags(native));
        var given = (existing.Type, existing.KeySize, existing.ValueSize, existing.MaxEntries, existing.Flags);
        if (own != given)
        {
            throw new NativeException(
                $"reuse map {map}", Errno.EINVAL, $"type, key size, value size, entries and flags are {given}, {Name} wants {own}");
        }

        var (result, warnings) = LibbpfLog.Capture(() => LibbpfApi.bpf_map__reuse_fd(native, existing.Descriptor));
        BpfDescriptor.Check(result, $"reuse map {map}", warnings);
    }

    /// <summary>Creates the maps and loads the programs; all or nothing. Needs CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN).</summary>
    /// <exception cref="VerifierException">The verifier refused a program.</exception>
    /// <exception cref="NativeException">Anything else, with what libbpf said.</exception>
    public void Load()
    {
        var logs = new List<(string Program, nint Log)>();
        try
        {
            for (var program = LibbpfApi.bpf_object__next_program(_object, 0);
                program != 0;
                program = LibbpfApi.bpf_object__next_program(_object, program))
            {
                var log = (byte*)NativeMemory.Alloc(LogSize);
                log[0] = 0;
                logs.Add((BpfDescriptor.Text(LibbpfApi.bpf_program__name(program)), (nint)log));
                if (LibbpfApi.bpf_program__set_log_buf(program, log, LogSize) != 0)
                    throw new InvalidOperationException($"{Name} is loaded already");
            }

            var (result, warnings) = LibbpfLog.Capture(() => LibbpfApi.bpf_object__load(_object));
            if (result == 0)
                return;

            // libbpf asks for the log only when a program is refused, and stops there.
            foreach (var (program, log) in logs)
            {
                if (*(byte*)log != 0)
                    throw new VerifierException(program, -result, BpfDescriptor.Text((byte*)log));
            }

            throw new NativeException($"load BPF object {Name}", -result, warnings);
        }
        finally
        {
            // libbpf refuses a second load, so nothing looks at the buffers again.
            foreach (var (_, log) in logs)
                NativeMemory.Free((void*)log);
        }
    }

    /// <summary>A program of the loaded object, by the name of its function.</summary>
    /// <exception cref="ArgumentException">It has none of that name.</exception>
    /// <exception cref="InvalidOperationException">It is not loaded.</exception>
    public BpfProgram Program(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var native = LibbpfApi.bpf_object__find_program_by_name(_object, name);
        return native == 0
            ? throw new ArgumentException($"{Name} has no program {name}", nameof(name))
            : new(BpfDescriptor.Duplicate(LibbpfApi.bpf_program__fd(native), name), name);
    }

    /// <summary>A map of the loaded object, by the name it is declared under.</summary>
    /// <exception cref="ArgumentException">It has none of that name.</exception>
    /// <exception cref="InvalidOperationException">It is not loaded.</exception>
    public BpfMap Map(string name) => new(BpfDescriptor.Duplicate(LibbpfApi.bpf_map__fd(FindMap(name)), name), name);

    /// <summary>Releases the object. Maps and programs that were taken from it, pinned or attached stay.</summary>
    public void Dispose() => _object.Dispose();

    private nint FindMap(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var native = LibbpfApi.bpf_object__find_map_by_name(_object, name);
        return native == 0 ? throw new ArgumentException($"{Name} has no map {name}", nameof(name)) : native;
    }
}
