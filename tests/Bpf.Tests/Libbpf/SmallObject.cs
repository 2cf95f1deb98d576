using Accelerated.Interop.Libbpf;

namespace Accelerated.Bpf.Tests.Libbpf;

/// <summary>Programs/small.bpf.c, loaded: two programs that count and pass on, and small maps.</summary>
internal sealed class SmallObject : IDisposable
{
    public SmallObject()
    {
        Object = BpfObject.Open(BpfCompiler.Compile("Programs/small.bpf.c"), "small");
        Object.Load();
        First = Object.Program("first");
        Second = Object.Program("second");
        Counts = Object.Map("counts");
    }

    public BpfObject Object { get; }

    /// <summary>Counts in slot 0.</summary>
    public BpfProgram First { get; }

    /// <summary>Counts in slot 1.</summary>
    public BpfProgram Second { get; }

    public BpfMap Counts { get; }

    /// <summary>How often each program has run since the last call.</summary>
    public (ulong First, ulong Second) TakeCounts()
    {
        Assert.True(Counts.TryLookup(0u, out ulong first));
        Assert.True(Counts.TryLookup(1u, out ulong second));
        Counts.Update(0u, 0ul);
        Counts.Update(1u, 0ul);
        return (first, second);
    }

    public void Dispose()
    {
        Counts.Dispose();
        First.Dispose();
        Second.Dispose();
        Object.Dispose();
    }
}
