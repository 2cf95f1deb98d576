using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Somebody else's program on a hook of ours: it counts packets and lets the next one decide.</summary>
internal sealed class ForeignProgram : IDisposable
{
    private const string Source = """
        #include <linux/bpf.h>
        #include <bpf/bpf_helpers.h>
        struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } seen SEC(".maps");
        SEC("tc") int NAME(struct __sk_buff *skb)
        {
            __u32 zero = 0;
            __u64 *count = bpf_map_lookup_elem(&seen, &zero);
            (void)skb;
            if (count)
                __sync_fetch_and_add(count, 1);
            return -1;
        }
        char LICENSE[] SEC("license") = "GPL";
        """;

    // A priority that tc would give.
    private static readonly TcFilterSlot Slot = new(1, 49152);

    private readonly BpfObject _object;
    private readonly BpfProgram _program;
    private readonly BpfMap _seen;
    private BpfLink? _link;

    /// <summary>Compiles and loads it.</summary>
    public ForeignProgram(LabLayout layout, string name)
    {
        var (source, compiled) = ($"{layout.ScratchDirectory}/{name}.c", $"{layout.ScratchDirectory}/{name}.o");
        File.WriteAllText(source, Source.Replace("NAME", name));
        LaneSources.Compile(source, compiled);
        _object = BpfObject.Open(File.ReadAllBytes(compiled), name);
        _object.Load();
        _program = _object.Program(name);
        _seen = _object.Map("seen");
    }

    /// <summary>Packets so far.</summary>
    public int Count
    {
        get
        {
            Assert.True(_seen.TryLookup(0u, out ulong count));
            return (int)count;
        }
    }

    /// <summary>Whether it is still there, if it was attached by tcx.</summary>
    public bool IsAttached => _link!.Info.InterfaceIndex != 0;

    /// <summary>Attaches it by tcx, behind what is there.</summary>
    public async Task AttachAsync(LabNode node, string device, TcxHook hook) =>
        _link = await OnAsync(node, device, index => BpfLink.AttachTcx(_program, index, hook));

    /// <summary>Attaches it as a clsact filter.</summary>
    public Task AttachFilterAsync(LabNode node, string device, TcxHook hook) =>
        OnAsync(node, device, index => Clsact.Attach(_program, index, hook, Slot));

    /// <summary>Takes the clsact filter away; it has to be there.</summary>
    public static async Task RemoveFilterAsync(LabNode node, string device, TcxHook hook) =>
        Assert.True(await OnAsync(node, device, index => Clsact.Detach(index, hook, Slot)));

    /// <inheritdoc/>
    public void Dispose()
    {
        _link?.Dispose();
        _seen.Dispose();
        _program.Dispose();
        _object.Dispose();
    }

    private static async Task<T> OnAsync<T>(LabNode node, string device, Func<int, T> work)
    {
        var index = (int)(await node.IpAsync("link", "show", "dev", device))[0]["ifindex"]!;
        return NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{node.Namespace}", () => work(index));
    }
}
