using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Netlink;

namespace Accelerated.Bpf.Tests.Libbpf;

/// <summary>What this test program does instead of testing when a test starts it once more with a role: things that concern a whole process.</summary>
internal static class ChildProgram
{
    /// <summary>The environment variable that holds the role.</summary>
    public const string Role = "ACCELERATED_TESTS_ROLE";

    public const string WithoutLibbpf = "without-libbpf";
    public const string CountDescriptors = "count-descriptors";

    /// <summary>This program.</summary>
    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, typeof(ChildProgram).Assembly.GetName().Name!);

    /// <summary>Runs before the test runner's Main and, in a child, instead of it.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "this assembly is a program")]
    internal static void RunAsChild()
    {
        switch (Environment.GetEnvironmentVariable(Role))
        {
            case WithoutLibbpf:
                UseWithoutLibrary();
                Environment.Exit(0);
                break;
            case CountDescriptors:
                UseAndCloseEverything();
                Environment.Exit(0);
                break;
        }
    }

    private static void UseWithoutLibrary()
    {
        using (var socket = RouteSocket.Open())
            Console.WriteLine($"rtnetlink: {socket.FindLink("lo")?.Name}");
        LibbpfLog.Forward((_, _) => { });
        Console.WriteLine($"bpffs: {BpfFeatures.BpfFs("/proc").Support}");
        Console.WriteLine($"a slot is emptied: {Clsact.Detach(1, TcxHook.Ingress, new(1, 1))}");
        foreach (var use in (Action[])[
            () => BpfObject.Open("x"u8, "x"),
            () => BpfMap.OpenPinned("/sys/fs/bpf/x"),
            () => _ = BpfFeatures.Tcx,
            () => Clsact.FindProgram(1, TcxHook.Ingress, new(1, 1))])
        {
            try
            {
                use();
                Console.WriteLine("works");
            }
            catch (NativeLibraryMissingException e)
            {
                Console.WriteLine(e.Message);
            }
        }
    }

    // The first round loads assemblies and libraries, which keep their files open. Run in a network namespace of its own.
    private static void UseAndCloseEverything()
    {
        var before = 0;
        for (var round = 0; round < 30; round++)
        {
            if (round == 1)
                before = Directory.GetFileSystemEntries("/proc/self/fd").Length;
            using var small = new SmallObject();
            using var other = BpfObject.Open(BpfCompiler.Compile("Programs/small.bpf.c"), "other");
            other.Reuse("counts", small.Counts);
            other.Load();
            Assert.Throws<ArgumentException>(() => other.Map("many"));
            using var refused = BpfObject.Open(BpfCompiler.Compile("Programs/refused.bpf.c"), "refused");
            Assert.Throws<VerifierException>(refused.Load);
            using var link = BpfLink.AttachTcx(small.First, 1, TcxHook.Ingress);
            link.Update(small.Second);
            Assert.Throws<NativeException>(() => BpfLink.AttachTcx(small.First, 999_999, TcxHook.Ingress));
            Clsact.Attach(small.First, 1, TcxHook.Egress, new(1, 1));
            Clsact.Detach(1, TcxHook.Egress, new(1, 1));
        }

        Console.WriteLine($"{Directory.GetFileSystemEntries("/proc/self/fd").Length - before} more descriptors");
    }
}
