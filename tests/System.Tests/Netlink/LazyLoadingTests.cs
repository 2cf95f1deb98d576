using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.System.Tests.Netlink;

/// <summary>A host without libnftables: this same program once more, in a mount namespace where the library's file is empty.</summary>
public sealed class LazyLoadingTests
{
    private const string Role = "ACCELERATED_TESTS_ROLE";
    private const string WithoutLibnftables = "without-libnftables";

    [Fact]
    public void Open_WithoutLibnftables_OnlyNftablesFailsAndNamesThePackage()
    {
        // mount(2) in a mount namespace of the child's own; nothing of it is seen outside.
        const string Hide = """
            for f in $(ldconfig -p | sed -n 's/.*libnftables\.so\.1 .*=> //p'); do mount --bind /dev/null "$f" || exit 9; done
            exec "$0"
            """;
        var self = Path.Combine(AppContext.BaseDirectory, typeof(LazyLoadingTests).Assembly.GetName().Name!);

        var (code, output, error) = TestNamespace.TryExecute(
            "unshare", ["--mount", "--propagation", "private", "sh", "-c", Hide, self], (Role, WithoutLibnftables));

        Assert.Equal(
            """
            rtnetlink: lo
            monitor: running
            nftables: libnftables.so.1 cannot be loaded: install it (Debian and Ubuntu: apt-get install libnftables1)

            """,
            output);
        Assert.Empty(error);
        Assert.Equal(0, code);
    }

    /// <summary>Runs before the test runner's Main and, in the child, instead of it.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "this assembly is a program")]
    internal static void RunAsChild()
    {
        if (Environment.GetEnvironmentVariable(Role) != WithoutLibnftables)
            return;

        using (var socket = RouteSocket.Open())
            Console.WriteLine($"rtnetlink: {socket.FindLink("lo")?.Name}");
        using (var monitor = NftablesMonitor.Start(_ => { }))
            Console.WriteLine($"monitor: {(monitor.Failure is null ? "running" : "failed")}");
        try
        {
            NftablesContext.Open().Dispose();
            Console.WriteLine("nftables: works");
        }
        catch (NativeLibraryMissingException e)
        {
            Console.WriteLine($"nftables: {e.Message}");
        }

        Environment.Exit(0);
    }
}
