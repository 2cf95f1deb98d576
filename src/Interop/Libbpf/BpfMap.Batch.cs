using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Libbpf;

/// <content>Many entries per system call (Linux 5.6), one by one where the kernel or the kind of map has no batches.</content>
public sealed unsafe partial class BpfMap
{
    private const int BatchLength = 4096;

    // Until the kernel says otherwise.
    private volatile bool _takesBatches = true;

    /// <summary>Adds or replaces entries in order; in a per-CPU map each value for every CPU. (Batches know no other modes.)</summary>
    /// <exception cref="BpfMapFullException">There is no room; <see cref="BpfMapFullException.Written"/> of them were written.</exception>
    public void UpdateAll<TKey, TValue>(ReadOnlySpan<TKey> keys, ReadOnlySpan<TValue> values)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        Expect(Unsafe.SizeOf<TKey>(), KeySize, nameof(keys));
        Expect(Unsafe.SizeOf<TValue>(), ValueSize, nameof(values));
        if (keys.Length != values.Length)
            throw new ArgumentException($"{keys.Length} keys for {values.Length} values", nameof(values));

        var written = 0;
        while (written < keys.Length && _takesBatches)
        {
            var count = (uint)Math.Min(BatchLength, keys.Length - written);
            var entries = new byte[checked((int)count * EntrySize)];
            for (var i = 0; i < count; i++)
                Entry(values[written + i]).CopyTo(entries, i * EntrySize);

            int result;
            var options = new BpfMapBatchOpts { sz = (nuint)sizeof(BpfMapBatchOpts) };
            var before = count;
            fixed (TKey* k = keys[written..])
            fixed (byte* v = entries)
                result = LibbpfApi.bpf_map_update_batch(Descriptor, k, v, &count, &options);
            if (HasNoBatches(result))
                break;

            // The count is what was written, up to the failure if there is one.
            written += (int)Math.Min(count, before);
            CheckWritten(result, written);
        }

        for (; written < keys.Length; written++)
            CheckWritten(UpdateRaw(Bytes(keys[written]), Entry(values[written]), BpfUpdate.AddOrReplace), written);
    }

    /// <summary>Removes entries; those that are not there are passed over.</summary>
    /// <returns>How many there were.</returns>
    public int DeleteAll<TKey>(ReadOnlySpan<TKey> keys)
        where TKey : unmanaged
    {
        Expect(Unsafe.SizeOf<TKey>(), KeySize, nameof(keys));
        var done = 0;
        var deleted = 0;
        while (done < keys.Length && _takesBatches)
        {
            var count = (uint)Math.Min(BatchLength, keys.Length - done);
            var before = count;
            var options = new BpfMapBatchOpts { sz = (nuint)sizeof(BpfMapBatchOpts) };
            int result;
            fixed (TKey* k = keys[done..])
                result = LibbpfApi.bpf_map_delete_batch(Descriptor, k, &count, &options);
            if (HasNoBatches(result))
                break;

            count = Math.Min(count, before);
            deleted += (int)count;
            done += (int)count;
            if (result == -Errno.ENOENT)
                done++; // The one it stopped at.
            else
                BpfDescriptor.Check(result, $"delete from map {Name}");
        }

        for (; done < keys.Length; done++)
            deleted += Delete(keys[done]) ? 1 : 0;
        return deleted;
    }

    /// <summary>All entries of a map with one value for all CPUs. While others write, one may be missing or come twice.</summary>
    /// <param name="most">As many at most: of an array the first ones.</param>
    public List<KeyValuePair<TKey, TValue>> ReadAll<TKey, TValue>(int most = int.MaxValue)
        where TKey : unmanaged
        where TValue : unmanaged
    {
        Expect(Unsafe.SizeOf<TValue>(), ValueSize, nameof(TValue));
        return IsPerCpu
            ? throw new InvalidOperationException($"map {Name} has a value for each CPU")
            : ReadEntries<TKey, TValue>(entry => MemoryMarshal.Read<TValue>(entry), Math.Min(most, MaxEntries));
    }

    /// <summary>All entries of a per-CPU map, with the values of all possible CPUs. While others write, one may be missing or come twice.</summary>
    public List<KeyValuePair<TKey, TValue[]>> ReadAllPerCpu<TKey, TValue>()
        where TKey : unmanaged
        where TValue : unmanaged
    {
        Expect(Unsafe.SizeOf<TValue>(), ValueSize, nameof(TValue));
        return IsPerCpu
            ? ReadEntries<TKey, TValue[]>(Split<TValue>, MaxEntries)
            : throw new InvalidOperationException($"map {Name} has one value for all CPUs");
    }

    private delegate T Decoder<T>(ReadOnlySpan<byte> entry);

    private List<KeyValuePair<TKey, T>> ReadEntries<TKey, T>(Decoder<T> decode, int most)
        where TKey : unmanaged
    {
        Expect(Unsafe.SizeOf<TKey>(), KeySize, nameof(TKey));
        var all = new List<KeyValuePair<TKey, T>>();
        if (_takesBatches && TryReadBatches(all, decode, most))
            return all;

        all.Clear();
        var entry = new byte[EntrySize];
        foreach (var key in Keys<TKey>().Take(most))
        {
            if (TryLookup(Bytes(key), entry))
                all.Add(new(key, decode(entry)));
        }

        return all;
    }

    private bool TryReadBatches<TKey, T>(List<KeyValuePair<TKey, T>> all, Decoder<T> decode, int most)
        where TKey : unmanaged
    {
        // A hash is read by whole buckets: the room has to hold the fullest of them, and grows if it does not.
        var room = Math.Min(BatchLength, most);
        var keys = new TKey[room];
        var entries = new byte[checked(room * EntrySize)];

        // The place to go on at: a bucket number in hashes, a key in all others.
        var cursor = new byte[Math.Max(KeySize, sizeof(uint))];
        for (var first = true; ;)
        {
            var count = (uint)room;
            var options = new BpfMapBatchOpts { sz = (nuint)sizeof(BpfMapBatchOpts) };
            int result;
            fixed (byte* at = cursor, v = entries)
            fixed (TKey* k = keys)
                result = LibbpfApi.bpf_map_lookup_batch(Descriptor, first ? null : at, at, k, v, &count, &options);
            if (HasNoBatches(result))
                return false;
            if (result == -Errno.ENOSPC && room < MaxEntries)
            {
                room = Math.Min(room * 2, MaxEntries);
                keys = new TKey[room];
                entries = new byte[checked(room * EntrySize)];
                continue;
            }

            if (result != -Errno.ENOENT) // The end, with the last entries.
                BpfDescriptor.Check(result, $"read map {Name}");
            for (var i = 0; i < Math.Min(count, (uint)room) && all.Count < most; i++)
                all.Add(new(keys[i], decode(entries.AsSpan(i * EntrySize, EntrySize))));
            if (result == -Errno.ENOENT || all.Count == most)
                return true;
            first = false;
        }
    }

    // Kernels before 5.6 do not know the command, and not every kind of map has it. EINVAL can have other causes; then one by one finds them.
    private bool HasNoBatches(int result)
    {
        if (result is not (-Errno.EINVAL or -Errno.ENOTSUPP or -Errno.EOPNOTSUPP))
            return false;
        _takesBatches = false;
        return true;
    }
}
