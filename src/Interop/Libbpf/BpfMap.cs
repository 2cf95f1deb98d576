using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <summary>A BPF map: keys and values of fixed size, shared with programs in the kernel.</summary>
/// <remarks>
/// Structures are taken byte for byte: give them the layout C gives them. A per-CPU map has one value for each possible CPU; written with
/// one value, all CPUs get it. Safe for several threads, as the kernel is.
/// </remarks>
public sealed unsafe partial class BpfMap : IDisposable
{
    private static int _possibleCpus;

    internal BpfMap(FileDescriptor descriptor, string? name = null)
    {
        Descriptor = descriptor;
        try
        {
            var info = BpfDescriptor.Info<BpfMapInfo>(descriptor, name ?? "map");
            Type = (BpfMapType)info.type;
            Id = info.id;
            KeySize = (int)info.key_size;
            ValueSize = (int)info.value_size;
            MaxEntries = (int)info.max_entries;
            Flags = info.map_flags;
            Name = name ?? info.name.ToString();
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    /// <summary>CPUs that could ever be there: the number of values a per-CPU map has for each key.</summary>
    public static int PossibleCpus
    {
        get
        {
            if (_possibleCpus == 0)
            {
                LibbpfApi.EnsureLoaded();
                _possibleCpus = BpfDescriptor.Check(LibbpfApi.libbpf_num_possible_cpus(), "count the possible CPUs");
            }

            return _possibleCpus;
        }
    }

    /// <summary>The name it is declared under; of one that was opened from a pin the 15 characters the kernel keeps.</summary>
    public string Name { get; }

    /// <summary>The number <c>bpftool map</c> shows.</summary>
    public uint Id { get; }

    /// <summary>The kind of map.</summary>
    public BpfMapType Type { get; }

    /// <summary>Bytes of a key.</summary>
    public int KeySize { get; }

    /// <summary>Bytes of a value; of one CPU's where there are many.</summary>
    public int ValueSize { get; }

    /// <summary>How many entries it holds at most.</summary>
    public int MaxEntries { get; }

    /// <summary>BPF_F_… as it was made with.</summary>
    public uint Flags { get; }

    /// <summary>Whether there is a value for each CPU.</summary>
    public bool IsPerCpu => Type is BpfMapType.PerCpuHash or BpfMapType.PerCpuArray or BpfMapType.LruPerCpuHash;

    /// <summary>Bytes of what stands under one key: <see cref="ValueSize"/>, or that rounded up to 8 for each possible CPU.</summary>
    public int EntrySize => IsPerCpu ? Stride * PossibleCpus : ValueSize;

    internal FileDescriptor Descriptor { get; }

    private int Stride => (ValueSize + 7) & ~7;

    /// <summary>Opens a pinned map (<c>bpftool map show pinned PATH</c>); null when nothing is pinned there.</summary>
    /// <exception cref="NativeException">No access, or what is pinned is no map.</exception>
    public static BpfMap? OpenPinned(string path) => BpfDescriptor.OpenPinned(path, BpfDescriptor.Map) is { } fd ? new(fd) : null;

    /// <summary>Keeps the map alive under a path in a BPF file system. Names there have no dots.</summary>
    /// <exception cref="NativeException">EEXIST, ENOENT for the folder, EPERM for a file system of another kind.</exception>
    public void Pin(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        BpfDescriptor.Pin(Descriptor, $"map {Name}", path);
    }

    /// <summary>Reads what stands under a key; false when there is nothing. In a trie: the longest prefix that covers the key.</summary>
    /// <param name="key"><see cref="KeySize"/> bytes.</param>
    /// <param name="value"><see cref="EntrySize"/> bytes of room.</param>
    public bool TryLookup(ReadOnlySpan<byte> key, Span<byte> value)
    {
        Expect(key.Length, KeySize, nameof(key));
        Expect(value.Length, EntrySize, nameof(value));
        fixed (byte* k = key, v = value)
        {
            var result = LibbpfApi.bpf_map_lookup_elem(Descriptor, k, v);
            if (result == -Errno.ENOENT)
                return false;
            BpfDescriptor.Check(result, $"look up in map {Name}");
            return true;
        }
    }

    /// <summary>Writes an entry.</summary>
    /// <param name="key"><see cref="KeySize"/> bytes.</param>
    /// <param name="value"><see cref="EntrySize"/> bytes.</param>
    /// <param name="mode">What may be there already.</param>
    /// <exception cref="BpfMapFullException">There is no room.</exception>
    /// <exception cref="NativeException">EEXIST and ENOENT by <paramref name="mode"/>; EINVAL for a bad key of a trie.</exception>
    public void Update(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, BpfUpdate mode = BpfUpdate.AddOrReplace) =>
        CheckWritten(UpdateRaw(key, value, mode), 0);

    /// <summary>Removes an entry; false when there was none.</summary>
    /// <param name="key"><see cref="KeySize"/> bytes.</param>
    public bool Delete(ReadOnlySpan<byte> key)
    {
        Expect(key.Length, KeySize, nameof(key));
        fixed (byte* k = key)
        {
            var result = LibbpfApi.bpf_map_delete_elem(Descriptor, k);
            if (result == -Errno.ENOENT)
                return false;
            BpfDescriptor.Check(result, $"delete from map {Name}");
            return true;
        }
    }

    /// <summary>Reads the value under a key; false when there is none. Of a per-CPU map use <see cref="LookupPerCpu"/>.</summary>
    public bool TryLookup<TKey, TValue>(in TKey key, out TValue value)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        value = default;
        if (IsPerCpu)
            throw new InvalidOperationException($"map {Name} has a value for each CPU");
        return TryLookup(Bytes(key), MemoryMarshal.AsBytes(new Span<TValue>(ref value)));
    }

    /// <summary>Reads the values of all possible CPUs under a key of a per-CPU map; null when there are none.</summary>
    public TValue[]? LookupPerCpu<TKey, TValue>(in TKey key)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        if (!IsPerCpu)
            throw new InvalidOperationException($"map {Name} has one value for all CPUs");
        var entry = new byte[EntrySize];
        return TryLookup(Bytes(key), entry) ? Split<TValue>(entry) : null;
    }

    /// <summary>Writes an entry; in a per-CPU map the same value for every CPU.</summary>
    /// <inheritdoc cref="Update(ReadOnlySpan{byte}, ReadOnlySpan{byte}, BpfUpdate)" path="/exception"/>
    public void Update<TKey, TValue>(in TKey key, in TValue value, BpfUpdate mode = BpfUpdate.AddOrReplace)
        where TKey : unmanaged
        where TValue : unmanaged =>
        CheckWritten(UpdateRaw(Bytes(key), Entry(value), mode), 0);

    /// <summary>Adds an entry unless its key is there; then what stands there stays, and the answer is false.</summary>
    /// <exception cref="BpfMapFullException">There is no room.</exception>
    public bool TryAdd<TKey, TValue>(in TKey key, in TValue value)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        var result = UpdateRaw(Bytes(key), Entry(value), BpfUpdate.Add);
        if (result == -Errno.EEXIST)
            return false;
        CheckWritten(result, 0);
        return true;
    }

    /// <summary>Removes an entry; false when there was none.</summary>
    public bool Delete<TKey>(in TKey key)
        where TKey : unmanaged =>
        Delete(Bytes(key));

    /// <summary>All keys. While others write, one may be missing or come twice.</summary>
    public List<TKey> Keys<TKey>()
        where TKey : unmanaged
    {
        Expect(Unsafe.SizeOf<TKey>(), KeySize, nameof(TKey));
        var keys = new List<TKey>();
        var key = default(TKey);
        var next = default(TKey);

        // When the key at hand was deleted meanwhile the kernel begins again; the bound keeps that from going on forever.
        var first = true;
        while (keys.Count < MaxEntries)
        {
            var result = LibbpfApi.bpf_map_get_next_key(Descriptor, first ? null : &key, &next);
            if (result == -Errno.ENOENT)
                break;
            BpfDescriptor.Check(result, $"list the keys of map {Name}");
            keys.Add(next);
            key = next;
            first = false;
        }

        return keys;
    }

    /// <summary>Closes the descriptor; a map that is pinned or used by a program stays.</summary>
    public void Dispose() => Descriptor.Dispose();

    private static ReadOnlySpan<byte> Bytes<T>(in T value)
        where T : unmanaged =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value));

    private static void Expect(int length, int wanted, string what)
    {
        if (length != wanted)
            throw new ArgumentException($"{length} bytes where the map has {wanted}", what);
    }

    private int UpdateRaw(ReadOnlySpan<byte> key, ReadOnlySpan<byte> entry, BpfUpdate mode)
    {
        Expect(key.Length, KeySize, nameof(key));
        Expect(entry.Length, EntrySize, nameof(entry));
        fixed (byte* k = key, v = entry)
            return LibbpfApi.bpf_map_update_elem(Descriptor, k, v, (ulong)mode);
    }

    private void CheckWritten(int result, int written)
    {
        // An array answers E2BIG to an index it does not have.
        if (result is -Errno.E2BIG or -Errno.ENOSPC && Type is not (BpfMapType.Array or BpfMapType.PerCpuArray))
            throw new BpfMapFullException(Name, MaxEntries, -result, written);
        BpfDescriptor.Check(result, $"update map {Name}");
    }

    // What stands under a key if every CPU has this value.
    private byte[] Entry<TValue>(in TValue value)
        where TValue : unmanaged
    {
        Expect(Unsafe.SizeOf<TValue>(), ValueSize, nameof(value));
        var entry = new byte[EntrySize];
        for (var offset = 0; offset < entry.Length; offset += IsPerCpu ? Stride : ValueSize)
            MemoryMarshal.Write(entry.AsSpan(offset), value);
        return entry;
    }

    private TValue[] Split<TValue>(ReadOnlySpan<byte> entry)
        where TValue : unmanaged
    {
        Expect(Unsafe.SizeOf<TValue>(), ValueSize, nameof(TValue));
        var values = new TValue[entry.Length / Stride];
        for (var i = 0; i < values.Length; i++)
            values[i] = MemoryMarshal.Read<TValue>(entry[(i * Stride)..]);
        return values;
    }
}
