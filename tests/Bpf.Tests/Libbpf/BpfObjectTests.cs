using Accelerated.Interop;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Bpf.Tests.Libbpf;

public sealed class BpfObjectTests
{
    private const int EINVAL = 22;
    private const int EACCES = 13;
    private const int ENODEV = 19;

    [Fact]
    public void Open_OfWhatIsNoObject_SaysWhichAndWhy()
    {
        var e = Assert.Throws<NativeException>(() => BpfObject.Open("not an ELF file"u8, "nonsense"));
        Assert.StartsWith("open BPF object nonsense: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("ELF", e.Message, StringComparison.Ordinal); // libbpf's own words.
        Assert.NotEqual(0, e.Errno);
    }

    [Fact]
    public void Load_OfAProgramTheVerifierRefuses_HasItsLog()
    {
        using var refused = BpfObject.Open(BpfCompiler.Compile("Programs/refused.bpf.c"), "refused");
        var e = Assert.Throws<VerifierException>(refused.Load);
        Assert.Equal(("reads_beyond", EACCES), (e.Program, e.Errno));
        Assert.Contains("invalid access to packet", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("processed ", e.Message, StringComparison.Ordinal);
        Assert.Contains("processed ", e.Log, StringComparison.Ordinal);
        Assert.Contains("r0 = *(u8 *)(r1 +0)", e.Log, StringComparison.Ordinal);
        Assert.True(e.Message.Length < 1000, e.Message);
    }

    [Fact]
    public void Parts_BeforeLoad_AreNotThere()
    {
        using var small = BpfObject.Open(BpfCompiler.Compile("Programs/small.bpf.c"), "small");
        Assert.Throws<InvalidOperationException>(() => small.Program("first"));
        Assert.Throws<InvalidOperationException>(() => small.Map("few"));
        Assert.Throws<ArgumentException>(() => small.Program("third"));
        Assert.Throws<ArgumentException>(() => small.Map("many"));
    }

    [Fact]
    public void Load_ASecondTime_IsRefused()
    {
        using var small = new SmallObject();
        Assert.Throws<InvalidOperationException>(small.Object.Load);
        Assert.Equal(-1, small.First.Run(new byte[64]).ReturnValue);
    }

    [Fact]
    public void Parts_OfADisposedObject_LiveOn()
    {
        var small = new SmallObject();
        small.Object.Dispose();
        Assert.Equal(-1, small.First.Run(new byte[64], repeat: 10).ReturnValue);
        Assert.Equal((10ul, 0ul), small.TakeCounts());
        small.Dispose();
    }

    [Fact]
    public void Run_OnAnInterfaceThatDoesNotExist_IsRefused()
    {
        using var small = new SmallObject();
        var context = new BpfTestContext { InterfaceIndex = 999_999 };
        Assert.Contains(Assert.Throws<NativeException>(() => small.First.Run(new byte[64], context)).Errno, (int[])[EINVAL, ENODEV]);
        Assert.Equal(EINVAL, Assert.Throws<NativeException>(() => small.First.Run(new byte[13])).Errno);
    }

    [Fact]
    public void RunTime_WhileStatisticsAreOn_CountsEveryRun()
    {
        using var small = new SmallObject();
        using var program = BpfProgram.OpenById(small.First.Id);
        Assert.NotNull(program);
        using (BpfRunTimeStats.Enable())
            small.First.Run(new byte[64], repeat: 1000);
        // Not exactly: the machine may have been measuring before, and a run before that.
        Assert.InRange(program.RunTime.Runs, 1000ul, 1010ul);
        Assert.InRange(program.RunTime.Nanoseconds, 1ul, 1_000_000_000ul);
    }

    [Fact]
    public void OpenById_OfAProgramThatIsGone_IsNull()
    {
        uint id;
        using (var small = new SmallObject())
            id = small.First.Id;
        // The kernel frees a program a moment after its last descriptor was closed.
        Assert.True(SpinWait.SpinUntil(() => BpfProgram.OpenById(id) is null, TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void Reuse_OfAMap_SharesIt()
    {
        using var one = new SmallObject();
        using var other = BpfObject.Open(BpfCompiler.Compile("Programs/small.bpf.c"), "other");
        other.Reuse("counts", one.Counts);
        other.Load();
        using var first = other.Program("first");
        using var counts = other.Map("counts");
        Assert.Equal(one.Counts.Id, counts.Id);
        first.Run(new byte[64], repeat: 3);
        Assert.Equal((3ul, 0ul), one.TakeCounts());
    }

    [Fact]
    public void Reuse_OfAMapOfAnotherShape_IsRefused()
    {
        using var one = new SmallObject();
        using var other = BpfObject.Open(BpfCompiler.Compile("Programs/small.bpf.c"), "other");
        var e = Assert.Throws<NativeException>(() => other.Reuse("few", one.Counts));
        Assert.Equal(EINVAL, e.Errno);
        Assert.StartsWith("reuse map few: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Log_OfLibbpf_GoesToWhoeverAsks()
    {
        var messages = new List<(LibbpfLogLevel Level, string Text)>();
        LibbpfLog.Forward((level, text) => messages.Add((level, text)), LibbpfLogLevel.Debug);
        try
        {
            using var small = new SmallObject();
            Assert.Throws<NativeException>(() => BpfObject.Open("nonsense"u8, "nonsense"));
        }
        finally
        {
            LibbpfLog.Forward(null);
        }

        // A formatted %s and a formatted %d: the va_list was read right.
        Assert.Contains(messages, m => m.Level == LibbpfLogLevel.Debug && m.Text.Contains("map 'few'", StringComparison.Ordinal));
        Assert.Contains(messages, m => m.Level == LibbpfLogLevel.Debug && m.Text.Contains("max_entries = 4", StringComparison.Ordinal));
        Assert.Contains(messages, m => m.Level == LibbpfLogLevel.Warning);
        Assert.All(messages, m => Assert.DoesNotContain('\n', m.Text));

        var before = messages.Count;
        new SmallObject().Dispose();
        Assert.Equal(before, messages.Count);
    }

    [Fact]
    public void Sink_ThatThrows_HarmsNobody()
    {
        LibbpfLog.Forward((_, _) => throw new InvalidOperationException(), LibbpfLogLevel.Debug);
        try
        {
            new SmallObject().Dispose();
        }
        finally
        {
            LibbpfLog.Forward(null);
        }
    }
}
