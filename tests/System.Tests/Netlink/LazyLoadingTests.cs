namespace Accelerated.System.Tests.Netlink;

public sealed class LazyLoadingTests
{
    [Fact]
    public void Open_WithoutLibnftables_OnlyNftablesFailsAndNamesThePackage()
    {
        // mount(2) in a mount namespace of the child's own; nothing of it is seen outside.
        const string Hide = """
            for f in $(ldconfig -p | sed -n 's/.*libnftables\.so\.1 .*=> //p'); do mount --bind /dev/null "$f" || exit 9; done
            exec "$0"
            """;

        var (code, output, error) = TestNamespace.TryExecute(
            "unshare",
            ["--mount", "--propagation", "private", "sh", "-c", Hide, ChildProgram.Path],
            (ChildProgram.Role, ChildProgram.WithoutLibnftables));

        Assert.Equal(
            """
            rtnetlink: lo
            monitor: running
            nftables: libnftables.so.1 cannot be loaded: install it (Debian and Ubuntu: apt-get install libnftables1)

            """,
            output);
        Assert.Equal(("", 0), (error, code));
    }
}
