using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.System.Tests.Netlink;

/// <summary>What this test program does instead of testing when a test starts it once more with a role: things that concern a whole process.</summary>
internal static class ChildProgram
{
    /// <summary>The environment variable that holds the role.</summary>
    public const string Role = "ACCELERATED_TESTS_ROLE";

    public const string WithoutLibnftables = "without-libnftables";
    public const string ManyDescriptors = "many-descriptors";
    public const string CountDescriptors = "count-descriptors";

    /// <summary>This program.</summary>
    public static string Path { get; } =
        global::System.IO.Path.Combine(AppContext.BaseDirectory, typeof(ChildProgram).Assembly.GetName().Name!);

    /// <summary>Runs before the test runner's Main and, in a child, instead of it.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "this assembly is a program")]
    internal static void RunAsChild()
    {
        switch (Environment.GetEnvironmentVariable(Role))
        {
            case WithoutLibnftables:
                UseEverything();
                Environment.Exit(0);
                break;
            case ManyDescriptors:
                OpenNftablesLate();
                Environment.Exit(0);
                break;
            case CountDescriptors:
                OpenAndCloseEverything();
                Environment.Exit(0);
                break;
        }
    }

    private static void UseEverything()
    {
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
    }

    private static void OpenNftablesLate()
    {
        var files = new List<FileStream>();
        do
            files.Add(File.OpenRead("/dev/null"));
        while (files[^1].SafeFileHandle.DangerousGetHandle() < 1030);

        try
        {
            using var context = NftablesContext.Open();
            Console.WriteLine(context.Run("list tables"));
        }
        catch (NativeException e)
        {
            Console.WriteLine(e.Message);
        }

        GC.KeepAlive(files);
    }

    // The first round loads assemblies and libraries, which keep their files open.
    private static void OpenAndCloseEverything()
    {
        var before = 0;
        for (var round = 0; round < 50; round++)
        {
            if (round == 1)
                before = Directory.GetFileSystemEntries("/proc/self/fd").Length;
            RouteSocket.Open().Dispose();
            RouteMonitor.Start(_ => { }).Dispose();
            NftablesMonitor.Start(_ => { }).Dispose();
            NftablesContext.Open().Dispose();
            NetworkNamespace.Invoke("/proc/self/ns/net", () => { });
        }

        Console.WriteLine($"{Directory.GetFileSystemEntries("/proc/self/fd").Length - before} more descriptors");
    }
}
