using Accelerated.Agent.Datapath.Lanes;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Tests.Datapath;

/// <summary>Which object is loaded, and what is said when it is not the first choice. clang is real; the kernel's verdict is the test's.</summary>
public sealed class LaneObjectsTests : IDisposable
{
    private const int EPERM = 1;
    private const int EACCES = 13;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("accelerated-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(LaneCompile.Auto)]
    [InlineData(LaneCompile.Never)]
    public void Load_NothingAgainstIt_TakesTheObjectBuiltIn(LaneCompile compile)
    {
        var objects = Objects(compile);

        Assert.Null(objects.Load("overlay", o => o.Origin));

        Assert.Empty(objects.Origins);
        Assert.Empty(objects.Setbacks);
        Assert.Empty(_folder.EnumerateFileSystemInfos());
    }

    [Fact]
    public void Load_AutoAndTheVerifierRefuses_CompilesHereAndSaysSo()
    {
        var objects = Objects(LaneCompile.Auto);

        var image = objects.Load("overlay", o => o.Origin is null ? throw Refusal("line 1\nR1 invalid mem access") : o.Image);

        Assert.Equal([0x7f, (byte)'E', (byte)'L', (byte)'F'], image[..4]);
        Assert.Contains("compiled here by", objects.Origins["overlay"], StringComparison.Ordinal);
        Assert.Contains("R1 invalid mem access", objects.Setbacks["overlay"], StringComparison.Ordinal);
        // The next time it is not refused: nothing is left of it.
        objects.Load("overlay", o => o);
        Assert.Empty(objects.Origins);
        Assert.Empty(objects.Setbacks);
    }

    [Fact]
    public void Load_NeverAndTheVerifierRefuses_IsUnavailable()
    {
        var e = Assert.Throws<LanesUnavailableException>(() => Objects(LaneCompile.Never).Load<int>("overlay", _ => throw Refusal("R1 invalid")));

        Assert.Contains("R1 invalid", e.Message, StringComparison.Ordinal);
        Assert.True(e.IsLasting);
    }

    [Fact]
    public void Load_EveryOneRefused_SaysWhyForEachOnOneLine()
    {
        var e = Assert.Throws<LanesUnavailableException>(() => Objects(LaneCompile.Auto).Load<int>("overlay", o => throw Refusal($"first\nabout {o.Origin ?? "built in"}")));

        Assert.Contains("about built in", e.Message, StringComparison.Ordinal);
        Assert.Contains("about compiled here", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void Load_AlwaysAndTheVerifierRefusesTheCompiled_TakesTheObjectBuiltIn()
    {
        var objects = Objects(LaneCompile.Always);

        Assert.Null(objects.Load("overlay", o => o.Origin is null ? o.Origin : throw Refusal("R1 invalid")));

        Assert.Contains("R1 invalid", objects.Setbacks["overlay"], StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NotPermitted_TriesNoOther()
    {
        var tried = 0;
        Assert.Throws<VerifierException>(() => Objects(LaneCompile.Auto).Load<int>("overlay", _ =>
        {
            tried++;
            throw new VerifierException("overlay_out", EPERM, "");
        }));
        Assert.Equal(1, tried);
    }

    [Fact]
    public void Load_FromAFolder_TakesThatFileAndNoOther()
    {
        var path = Path.Combine(_folder.FullName, "overlay.bpf.o");
        File.WriteAllBytes(path, [1, 2, 3]);
        var objects = new LaneObjects(new LaneObjectOptions(LaneCompile.Always, _folder.FullName, Path.Combine(_folder.FullName, "cache")));

        Assert.Equal([1, 2, 3], objects.Load("overlay", o => o.Image));
        Assert.Equal($"from {path}", objects.Origins["overlay"]);
        Assert.Throws<LanesUnavailableException>(() => objects.Load<int>("overlay", _ => throw Refusal("R1 invalid")));
        Assert.False(Directory.Exists(Path.Combine(_folder.FullName, "cache")));
    }

    [Fact]
    public void Compile_Again_TakesTheCachedObjectUntilSomethingDiffers()
    {
        var compiler = new LaneCompiler(_folder.FullName);
        var first = compiler.Compile("overlay");
        var path = Assert.Single(Directory.EnumerateFiles(_folder.FullName, "overlay.bpf.o", SearchOption.AllDirectories));
        File.WriteAllBytes(path, [1]);

        Assert.Equal([1], compiler.Compile("overlay").Image);
        Directory.Move(Path.GetDirectoryName(path)!, Path.Combine(_folder.FullName, "of-other-sources"));
        Assert.Equal(first.Image, compiler.Compile("overlay").Image);
        Assert.Equal(Path.GetDirectoryName(path), Assert.Single(Directory.GetDirectories(_folder.FullName)));
    }

    private LaneObjects Objects(LaneCompile compile) => new(new LaneObjectOptions(compile, null, _folder.FullName));

    private static VerifierException Refusal(string log) => new("overlay_out", EACCES, log);
}
