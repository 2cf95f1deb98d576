using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Accelerated.Bpf.Tests;

/// <summary>clang, run on the sources beside the test assembly. Each file is compiled once per process; nothing is kept.</summary>
internal static class BpfCompiler
{
    private static readonly Dictionary<string, byte[]> Objects = [];

    // Where Debian has asm/types.h, which clang does not look for when it compiles for bpf.
    private static string Architecture => RuntimeInformation.ProcessArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
        var other => throw new PlatformNotSupportedException($"{other}"),
    };

    public static byte[] Overlay => Compile("bpf/overlay.bpf.c");

    public static byte[] Shortcut => Compile("bpf/shortcut.bpf.c");

    public static byte[] Wire => Compile("bpf/wire.bpf.c");

    /// <summary>Gives the bytes of the object; what clang says against it fails the test.</summary>
    public static byte[] Compile(string source)
    {
        lock (Objects)
        {
            if (Objects.TryGetValue(source, out var known))
                return known;

            var output = Path.GetTempFileName();
            try
            {
                Execute(
                    "clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-mllvm", "-no-stack-slot-sharing", $"-I/usr/include/{Architecture}-linux-gnu", "-Wall", "-Wextra", "-Werror",
                    "-c", Path.Combine(AppContext.BaseDirectory, source), "-o", output);
                return Objects[source] = File.ReadAllBytes(output);
            }
            finally
            {
                File.Delete(output);
            }
        }
    }

    /// <summary>Runs a program to its end and gives its output; a failure fails the test with what the program said.</summary>
    public static string Execute(string command, params string[] arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{command} {string.Join(' ', arguments)}: exit {process.ExitCode}: {error.Result}");
    }
}
