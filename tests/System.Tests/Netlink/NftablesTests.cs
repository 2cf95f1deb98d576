using System.Text.Json;
using Accelerated.Interop.Nftables;

namespace Accelerated.System.Tests.Netlink;

public sealed class NftablesTests : IDisposable
{
    private const string Ruleset = """
        add table inet accel
        add chain inet accel post { type nat hook postrouting priority 100; }
        add rule inet accel post ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
        """;

    private readonly TestNamespace _ns = new();

    public void Dispose() => _ns.Dispose();

    [Fact]
    public void Run_Rules_AreWhatNftLists()
    {
        using var context = _ns.Invoke(NftablesContext.Open);

        Assert.Empty(context.Run(Ruleset));

        var listed = _ns.Run("nft", "list", "ruleset");
        Assert.Contains("ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random", listed, StringComparison.Ordinal);
        Assert.Equal(listed, context.Run("list ruleset"));
        using var json = JsonDocument.Parse(context.RunJson("list tables"));
        Assert.Contains(
            json.RootElement.GetProperty("nftables").EnumerateArray(),
            o => o.TryGetProperty("table", out var table) && table.GetProperty("name").GetString() == "accel");
        Assert.Equal("table inet accel\n", context.Run("list tables"));
    }

    [Fact]
    public void Run_OneBadCommand_ChangesNothingAndSaysWhy()
    {
        using var context = _ns.Invoke(NftablesContext.Open);
        const string Commands = "add table ip good\nadd rule ip good absent accept";

        var refused = Assert.Throws<NftablesException>(() => context.Run(Commands));
        var unparsable = Assert.Throws<NftablesException>(() => context.Run("add tabel ip x"));

        Assert.Equal(Commands, refused.Commands);
        Assert.Contains("No such file or directory", refused.Output, StringComparison.Ordinal);
        Assert.StartsWith("nftables: Error: ", refused.Message, StringComparison.Ordinal);
        Assert.Contains("syntax error", unparsable.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("No such file", unparsable.Output, StringComparison.Ordinal);
        Assert.Empty(_ns.Run("nft", "list", "ruleset"));
        Assert.Empty(context.Run("add table ip good"));
    }

    [Fact]
    public void Open_TwoNamespaces_EachContextKeepsToItsOwn()
    {
        using var other = new TestNamespace();
        using var first = _ns.Invoke(NftablesContext.Open);
        using var second = other.Invoke(NftablesContext.Open);

        first.Run("add table ip one");
        second.Run("add table ip two");

        Assert.Equal("table ip one\n", _ns.Run("nft", "list", "tables"));
        Assert.Equal("table ip two\n", other.Run("nft", "list", "tables"));
    }

    [Fact]
    public void Open_TooManyDescriptors_IsRefusedBeforeTheLibraryAborts()
    {
        var (code, output, error) = TestNamespace.TryExecute(ChildProgram.Path, [], (ChildProgram.Role, ChildProgram.ManyDescriptors));

        Assert.Equal(
            ("open nftables context: EMFILE: Too many open files (libnftables cannot use descriptors from 1024 on)\n", "", 0),
            (output, error, code));
    }

    [Fact]
    public void Monitor_TransactionsOfOthers_AreToldApartFromOnesOwn()
    {
        using var log = new EventLog<NftablesEvent>();
        using var context = _ns.Invoke(NftablesContext.Open);
        using var second = _ns.Invoke(NftablesContext.Open);
        using var monitor = _ns.Invoke(() => NftablesMonitor.Start(log.Add));
        Assert.Equal(3, new HashSet<uint> { 0, context.PortId, second.PortId }.Count);

        context.Run(Ruleset);
        var own = log.Await(_ => true);
        _ns.Run("nft", "add", "table", "ip", "foreign");
        var foreign = log.Await(_ => true);
        second.Run("add table ip third");
        var third = log.Await(_ => true);

        Assert.Equal(context.PortId, own.PortId);
        Assert.Equal(second.PortId, third.PortId);
        Assert.Equal([own.Generation + 1, own.Generation + 2], [foreign.Generation, third.Generation]);
        Assert.NotEqual(context.PortId, foreign.PortId);
        Assert.Equal("nft", foreign.ProcessName);
        Assert.Equal((uint)foreign.ProcessId, foreign.PortId); // A process's first netlink socket is numbered like the process.
        Assert.False(Directory.Exists($"/proc/self/task/{foreign.ProcessId}"));
        Assert.Null(monitor.Failure);
    }

    [Fact]
    public void Monitor_RunOnAnotherThread_ProcessIdIsTheThreads()
    {
        using var log = new EventLog<NftablesEvent>();
        using var context = _ns.Invoke(NftablesContext.Open);
        using var monitor = _ns.Invoke(() => NftablesMonitor.Start(log.Add));
        NftablesEvent told = default;
        var wasOurThread = false;

        var thread = new Thread(() =>
        {
            context.Run("add table ip x");
            told = log.Await(_ => true);
            wasOurThread = Directory.Exists($"/proc/self/task/{told.ProcessId}");
        })
        { Name = "rule-writer" };
        thread.Start();
        thread.Join();

        Assert.True(wasOurThread);
        Assert.NotEqual(Environment.ProcessId, told.ProcessId);
        Assert.Equal("rule-writer", told.ProcessName);
        Assert.Equal(context.PortId, told.PortId);
    }

    [Fact]
    public void Monitor_Flooded_TellsOfTheOverrun()
    {
        using var log = new EventLog<NftablesEvent>();
        using var gate = new ManualResetEventSlim();
        using var context = _ns.Invoke(NftablesContext.Open);
        using var monitor = _ns.Invoke(() => NftablesMonitor.Start(
            e =>
            {
                gate.Wait();
                log.Add(e);
            },
            receiveBuffer: 8 << 10));

        for (var i = 0; i < 50; i++)
            context.Run($"add table ip t{i}; add chain ip t{i} c; add rule ip t{i} c counter accept");
        gate.Set();

        log.Await(e => e.Overrun);
        context.Run("add table ip afterwards");
        log.Await(e => !e.Overrun && e.Generation > 50);
    }
}
