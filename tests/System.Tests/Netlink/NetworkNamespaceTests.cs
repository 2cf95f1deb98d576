using Accelerated.Interop;

namespace Accelerated.System.Tests.Netlink;

public sealed class NetworkNamespaceTests : IDisposable
{
    private readonly TestNamespace _ns = new();

    public void Dispose() => _ns.Dispose();

    [Fact]
    public void Invoke_InANamespace_IsThereAndOnlyThere()
    {
        _ns.Ip("link add only-here type bridge");

        Assert.Contains("only-here", _ns.Invoke(() => File.ReadAllText("/proc/thread-self/net/dev")), StringComparison.Ordinal);
        Assert.DoesNotContain("only-here", File.ReadAllText("/proc/thread-self/net/dev"), StringComparison.Ordinal);
    }

    [Fact]
    public void Invoke_WorkThrows_KeepsTypeAndStack()
    {
        var e = Assert.Throws<InvalidDataException>(() => NetworkNamespace.Invoke(_ns.Path, ThrowingWork));

        Assert.Contains(nameof(ThrowingWork), e.StackTrace, StringComparison.Ordinal);

        static void ThrowingWork() => throw new InvalidDataException("inside");
    }

    [Fact]
    public void Invoke_NoSuchNamespace_NamesThePath()
    {
        var e = Assert.Throws<NativeException>(() => NetworkNamespace.Invoke("/run/netns/nlk-none", () => 1));

        Assert.Equal("open network namespace /run/netns/nlk-none: ENOENT: No such file or directory", e.Message);
        Assert.Throws<NativeException>(() => NetworkNamespace.Invoke("/proc/self/ns/mnt", () => 1));
    }

    [Fact]
    public void Dispose_EverythingOpenedFiftyTimes_LeavesNoDescriptorBehind()
    {
        var (code, output, error) = TestNamespace.TryExecute(ChildProgram.Path, [], (ChildProgram.Role, ChildProgram.CountDescriptors));

        Assert.Equal(("0 more descriptors\n", "", 0), (output, error, code));
    }
}
