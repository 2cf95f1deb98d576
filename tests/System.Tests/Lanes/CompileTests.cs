using Accelerated.Lab;
using Accelerated.System.Tests.Agent;
using Accelerated.System.Tests.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>The programs compiled on the host: with clang, without, and when the kernel refuses those that are built in.</summary>
public sealed class CompileTests(ITestOutputHelper output) : LabTest(output)
{
    private static readonly LabSpec TwoNodes = new() { Nodes = 2, Datapath = LabSpec.BpfDatapath, AgentFlags = ["--bpf-compile=always"] };

    [Fact]
    public async Task Always_WithClang_RunsWhatWasCompiledAndKeepsIt()
    {
        var lab = await UpAsync(TwoNodes);
        await lab.StartAllAsync(cancel: Cancel);
        var node = lab.Node(1);

        Assert.Matches("overlay compiled here by .*clang version", (await node.DatapathAsync()).Reason);
        Assert.Null(await node.ProblemAsync("bpf-object"));
        await lab.PingThroughLanesAsync();
        var compiled = Compiled(node);
        var written = File.GetLastWriteTimeUtc(compiled);

        await node.RestartAsync();

        Assert.Equal((compiled, written), (Compiled(node), File.GetLastWriteTimeUtc(Compiled(node))));
        Assert.Contains("compiled here", (await node.DatapathAsync()).Reason, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(compiled)!, "overlay.bpf.c")));
        // Of another version's sources nothing is kept.
        var old = Directory.CreateDirectory(Path.Combine(node.RunDirectory, "state", "bpf", "0123456789abcdef"));
        File.Delete(compiled);
        await node.RestartAsync();
        Assert.False(old.Exists && Directory.Exists(old.FullName));
        Assert.Equal(compiled, Compiled(node));
    }

    [Fact]
    public async Task Always_WithoutClang_UsesTheObjectBuiltInAndSaysWhy()
    {
        using var agent = new WrappedAgent(launcher: "env PATH=/nonexistent");
        await ExpectEmbeddedAsync(agent, "clang cannot be run: ENOENT: No such file or directory");
    }

    [Fact]
    public async Task Always_WithoutHeaders_NamesTheCommandAndWhatItSaid()
    {
        using var agent = new WrappedAgent("mount -t tmpfs none /usr/include/bpf");
        await ExpectEmbeddedAsync(agent, "clang -O2 -g -target bpf", "overlay.bpf.c -o ", "bpf/bpf_endian.h' file not found");
    }

    [Fact]
    public async Task Never_WithoutClang_AsksForNone()
    {
        using var agent = new WrappedAgent(launcher: "env PATH=/nonexistent");
        var lab = await UpAsync(TwoNodes with { AgentBinary = agent.Path, AgentFlags = ["--bpf-compile=never"] });
        await lab.StartAllAsync(cancel: Cancel);

        await ExpectBuiltInAsync(lab.Node(1));
        Assert.Empty(AgentSocket.Problems(await AgentSocket.StatusAsync(lab.Node(1))));
        Assert.False(Directory.Exists(Path.Combine(lab.Node(1).RunDirectory, "state", "bpf")));
    }

    [Fact]
    public async Task ObjectDirectory_WithoutTheObject_UsesTheOneBuiltInAndSaysWhy()
    {
        var lab = await UpAsync(TwoNodes with { AgentFlags = ["--bpf-object-dir=/nonexistent"] });
        await lab.StartAllAsync(cancel: Cancel);

        Assert.Equal("bpf", (await lab.Node(1).DatapathAsync()).Name);
        Assert.Contains("there is no /nonexistent/overlay.bpf.o", await lab.Node(1).ProblemAsync("bpf-object"), StringComparison.Ordinal);
    }

    private async Task ExpectEmbeddedAsync(WrappedAgent agent, params string[] words)
    {
        var lab = await UpAsync(TwoNodes with { AgentBinary = agent.Path });
        await lab.StartAllAsync(cancel: Cancel);

        await ExpectBuiltInAsync(lab.Node(1));
        var problem = await lab.Node(1).ProblemAsync("bpf-object");
        Output.WriteLine(problem!);
        Assert.All(words, word => Assert.Contains(word, problem, StringComparison.Ordinal));
        await lab.PingThroughLanesAsync();
    }

    private static async Task ExpectBuiltInAsync(LabNode node)
    {
        var (name, reason) = await node.DatapathAsync();
        Assert.Equal("bpf", name);
        Assert.StartsWith("lane 1 out and in; ", reason, StringComparison.Ordinal);
        Assert.DoesNotContain("compiled here", reason, StringComparison.Ordinal);
    }

    private static string Compiled(LabNode node) =>
        Assert.Single(Directory.EnumerateFiles(Path.Combine(node.RunDirectory, "state", "bpf"), "overlay.bpf.o", SearchOption.AllDirectories));
}
