using System.Net;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Libbpf;

public sealed class BpfMapTests : IDisposable
{
    private const int ENOENT = 2;
    private const int E2BIG = 7;
    private const int EEXIST = 17;
    private const int EINVAL = 22;
    private const int ENOSPC = 28;

    private readonly SmallObject _small = new();

    public void Dispose() => _small.Dispose();

    [Fact]
    public void Properties_OfAMap_AreThoseItWasDeclaredWith()
    {
        using var map = _small.Object.Map("percpu");
        Assert.Equal(
            ("percpu", BpfMapType.PerCpuHash, 4, 4, 4, true, 8 * BpfMap.PossibleCpus),
            (map.Name, map.Type, map.KeySize, map.ValueSize, map.MaxEntries, map.IsPerCpu, map.EntrySize));
        Assert.NotEqual(0u, map.Id);
        Assert.Equal(Range(File.ReadAllText("/sys/devices/system/cpu/possible")), BpfMap.PossibleCpus);
    }

    [Fact]
    public void Entry_WrittenAndDeleted_IsThereAndGone()
    {
        using var map = _small.Object.Map("few");
        Assert.False(map.TryLookup(7u, out ulong _));
        map.Update(7u, 70ul);
        Assert.True(map.TryLookup(7u, out ulong value));
        Assert.Equal(70ul, value);
        map.Update(7u, 71ul, BpfUpdate.Replace);
        Assert.Equal([new(7u, 71ul)], map.ReadAll<uint, ulong>());
        Assert.True(map.Delete(7u));
        Assert.False(map.Delete(7u));
        Assert.Empty(map.ReadAll<uint, ulong>());
        Assert.Empty(map.Keys<uint>());
    }

    [Fact]
    public void Update_AgainstItsMode_FailsAndChangesNothing()
    {
        using var map = _small.Object.Map("few");
        Assert.Equal(ENOENT, Assert.Throws<NativeException>(() => map.Update(1u, 1ul, BpfUpdate.Replace)).Errno);
        Assert.True(map.TryAdd(1u, 1ul));
        Assert.False(map.TryAdd(1u, 2ul));
        Assert.Equal(EEXIST, Assert.Throws<NativeException>(() => map.Update(1u, 3ul, BpfUpdate.Add)).Errno);
        Assert.Equal([new(1u, 1ul)], map.ReadAll<uint, ulong>());
    }

    [Fact]
    public void FullHash_OneMore_NamesTheMapAndItsSize()
    {
        using var map = _small.Object.Map("few");
        var full = Assert.Throws<BpfMapFullException>(() => map.UpdateAll<uint, ulong>([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]));
        Assert.Equal(("few", 4, 4, E2BIG), (full.Map, full.MaxEntries, full.Written, full.Errno));
        Assert.Contains("map few is full with 4 entries", full.Message, StringComparison.Ordinal);
        Assert.Throws<BpfMapFullException>(() => map.Update(9u, 9ul));
        Assert.Throws<BpfMapFullException>(() => map.TryAdd(9u, 9ul));
        map.Update(3u, 33ul); // What is there can still change.
        Assert.Equal([1u, 2u, 3u, 4u], map.Keys<uint>().Order());
    }

    [Fact]
    public void FullTrie_OneMore_NamesTheMapAndItsSize()
    {
        using var map = _small.Object.Map("prefixes");
        var keys = Enumerable.Range(1, 5).Select(i => new Prefix(32, (uint)i)).ToArray();
        var full = Assert.Throws<BpfMapFullException>(() => map.UpdateAll<Prefix, ulong>(keys, new ulong[5]));
        Assert.Equal(("prefixes", 4, 4, ENOSPC), (full.Map, full.MaxEntries, full.Written, full.Errno));
        Assert.Equal(4, map.Keys<Prefix>().Count);
    }

    [Fact]
    public void Array_IndexBeyond_IsNoFullMap() =>
        Assert.Equal(E2BIG, Assert.IsType<NativeException>(Record.Exception(() => _small.Counts.Update(4u, 1ul))).Errno);

    [Fact]
    public void BadPrefix_AmongMany_FailsAndTheMapStillTakesBatches()
    {
        using var map = _small.Object.Map("prefixes");
        Prefix[] keys = [new(32, 1), new(33, 2)];
        Assert.Equal(EINVAL, Assert.Throws<NativeException>(() => map.UpdateAll<Prefix, ulong>(keys, [1, 2])).Errno);
        Assert.Equal([new(new(32, 1), 1ul)], map.ReadAll<Prefix, ulong>());
    }

    [Fact]
    public void Sizes_ThatDoNotFit_AreRefusedBeforeTheKernelReadsThem()
    {
        using var map = _small.Object.Map("few");
        Assert.Throws<ArgumentException>(() => map.Update(1ul, 1ul));
        Assert.Throws<ArgumentException>(() => map.Update(1u, 1u));
        Assert.Throws<ArgumentException>(() => map.TryLookup(1u, out uint _));
        Assert.Throws<ArgumentException>(() => map.TryLookup(new byte[4], new byte[7]));
        Assert.Throws<ArgumentException>(() => map.Delete(1ul));
        Assert.Throws<ArgumentException>(() => map.Keys<ulong>());
        Assert.Throws<ArgumentException>(() => map.UpdateAll<ulong, ulong>([1], [1]));
        Assert.Throws<ArgumentException>(() => map.UpdateAll<uint, ulong>([1], [1, 2]));
        Assert.Throws<ArgumentException>(() => map.DeleteAll<ulong>([1]));
        Assert.Throws<ArgumentException>(() => map.ReadAll<uint, uint>());
        Assert.Throws<InvalidOperationException>(() => map.LookupPerCpu<uint, ulong>(1u));
    }

    [Fact]
    public void PerCpuMap_OneValue_GoesToAllCpus()
    {
        using var map = _small.Object.Map("percpu");
        map.Update(1u, 5u);
        Assert.Equal(Enumerable.Repeat(5u, BpfMap.PossibleCpus), map.LookupPerCpu<uint, uint>(1u));
        Assert.Null(map.LookupPerCpu<uint, uint>(2u));
        Assert.Throws<InvalidOperationException>(() => map.TryLookup(1u, out uint _));
        Assert.Throws<InvalidOperationException>(() => map.ReadAll<uint, uint>());

        // Each CPU its own, as programs write them: values lie 8 bytes apart.
        var entry = new byte[map.EntrySize];
        for (var cpu = 0; cpu < BpfMap.PossibleCpus; cpu++)
            entry[cpu * 8] = (byte)(cpu + 1);
        map.Update(BitConverter.GetBytes(2u), entry);
        Assert.Equal(Enumerable.Range(1, BpfMap.PossibleCpus).Select(i => (uint)i), map.LookupPerCpu<uint, uint>(2u));

        var all = map.ReadAllPerCpu<uint, uint>().ToDictionary(e => e.Key, e => e.Value);
        Assert.Equal([1u, 2u], all.Keys.Order());
        Assert.Equal(map.LookupPerCpu<uint, uint>(2u), all[2]);
    }

    [Fact]
    public void TenThousandPeers_WrittenReadAndDeleted_AreAllThere()
    {
        using var overlay = BpfObject.Open(BpfCompiler.Overlay, "overlay");
        overlay.Load();
        using var subnets = overlay.Map("subnets");
        using var vteps = overlay.Map("vteps");
        var expected = Enumerable.Range(0, 10_000).ToDictionary(
            i => SubnetKey.From(IPNetwork.Parse($"10.{i / 256}.{i % 256}.0/24")).ToString(), i => (byte)(1 + (i % 3)));
        var keys = expected.Keys.Select(k => SubnetKey.From(IPNetwork.Parse(k))).ToArray();
        var values = expected.Values.Select(v => new SubnetValue { Transport = (OverlayTransport)v }).ToArray();
        subnets.UpdateAll<SubnetKey, SubnetValue>(keys, values);

        var read = subnets.ReadAll<SubnetKey, SubnetValue>();
        Assert.Equal(10_000, read.Count);
        Assert.Equal(expected, read.ToDictionary(e => e.Key.ToString(), e => (byte)e.Value.Transport));
        Assert.Equal(expected.Keys.Order(), subnets.Keys<SubnetKey>().Select(k => k.ToString()).Order());

        // Every other one, and some that were never there, in between.
        var odd = keys.Where((_, i) => i % 2 == 1).ToArray();
        var absent = SubnetKey.From(IPNetwork.Parse("192.168.0.0/24"));
        Assert.Equal(5000, subnets.DeleteAll<SubnetKey>([absent, .. odd[..2500], absent, .. odd, absent]));
        Assert.Equal(keys.Where((_, i) => i % 2 == 0).Select(k => k.ToString()).Order(), subnets.Keys<SubnetKey>().Select(k => k.ToString()).Order());

        var nodes = Enumerable.Range(0, 10_000).Select(i => VtepKey.From(new IPAddress([172, 16, (byte)(i / 256), (byte)i]))).ToArray();
        vteps.UpdateAll(nodes, Enumerable.Range(0, 10_000).Select(i => new VtepValue { BytesIn = (ulong)i }).ToArray());
        var counters = vteps.ReadAllPerCpu<VtepKey, VtepValue>().ToDictionary(e => e.Key.ToString(), e => e.Value);
        Assert.Equal(10_000, counters.Count);
        Assert.All(
            nodes.Index(),
            n => Assert.Equal(Enumerable.Repeat((ulong)n.Index, BpfMap.PossibleCpus), counters[n.Item.ToString()].Select(v => v.BytesIn)));
    }

    [Fact]
    public void Keys_OfTheOverlay_ReadAsTheyWereMade()
    {
        foreach (var network in (string[])["10.5.60.0/24", "0.0.0.0/0", "192.0.2.1/32", "fd00:1::/64", "::/0"])
            Assert.Equal(IPNetwork.Parse(network), SubnetKey.From(IPNetwork.Parse(network)).ToIPNetwork());
        Assert.Equal(96u + 24, SubnetKey.From(IPNetwork.Parse("10.5.60.0/24")).PrefixLength);
        var key = VtepKey.From(IPAddress.Parse("192.0.2.1"));
        Assert.Equal("::ffff:192.0.2.1", new IPAddress((ReadOnlySpan<byte>)key.Address).ToString());
        Assert.Equal("76:19:b2:0f:7d:a4", OverlayMac.From(Nodes.One.OverlayMac).ToString());
    }

    private static int Range(string cpus) => cpus.Trim().Split(',').Sum(part =>
    {
        var ends = part.Split('-').Select(int.Parse).ToArray();
        return ends[^1] - ends[0] + 1;
    });

    private readonly record struct Prefix(uint Length, uint Address);
}
