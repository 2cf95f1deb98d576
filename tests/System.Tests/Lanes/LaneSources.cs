using System.Diagnostics;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>The repository's eBPF sources, changed for a test and compiled into a folder for <c>--bpf-object-dir</c>.</summary>
internal sealed class LaneSources : IDisposable
{
    private static readonly string[] Flags = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-I/usr/include/x86_64-linux-gnu", "-c"];

    /// <summary>Replaces text in one source, where it has to be, and compiles all objects.</summary>
    public LaneSources(string file, string text, string replacement)
    {
        foreach (var source in Directory.EnumerateFiles(Path.Combine(LabTools.Repository!, "bpf")))
            File.Copy(source, Path.Combine(Folder, Path.GetFileName(source)));
        var changed = Path.Combine(Folder, file);
        var before = File.ReadAllText(changed);
        Assert.Contains(text, before, StringComparison.Ordinal);
        File.WriteAllText(changed, before.Replace(text, replacement, StringComparison.Ordinal));
        foreach (var source in Directory.EnumerateFiles(Folder, "*.bpf.c"))
            Compile(source, Path.ChangeExtension(source, "o"));
    }

    /// <summary>Where the objects are.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("accelerated-test-").FullName;

    /// <summary>Runs clang.</summary>
    public static void Compile(string source, string output)
    {
        using var clang = Process.Start(new ProcessStartInfo("clang", [.. Flags, source, "-o", output]) { RedirectStandardError = true })!;
        var errors = clang.StandardError.ReadToEnd();
        clang.WaitForExit();
        Assert.True(clang.ExitCode == 0, errors);
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
