using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Accelerated.Interop;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Compiles the sources that the agent carries with this host's clang. Sources and objects are kept in a folder named after what went
/// into them (sources, flags, clang's version), so nothing is compiled twice and the command can be repeated by hand.
/// </summary>
/// <param name="directory">Where those folders are; whatever is in it may be deleted at any time.</param>
internal sealed class LaneCompiler(string directory)
{
    private const string Clang = "clang";
    private const string ResourcePrefix = "bpf/";
    private const int KeyLength = 16;
    private const int MostOutput = 2000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly Assembly Agent = typeof(LaneCompiler).Assembly;

    /// <summary>The object of a name, from the cache or compiled now.</summary>
    /// <exception cref="LaneCompileException">There is no clang, it refused, or the folder cannot be written.</exception>
    public LaneObject Compile(string name)
    {
        var version = Run("--version").Split('\n')[0].Trim();
        var sources = Sources();
        var flags = Flags();
        var folder = Path.Combine(directory, Key(sources, flags, version));
        var path = Path.Combine(folder, $"{name}.bpf.o");
        var origin = $"compiled here by {version}";
        try
        {
            if (File.Exists(path))
                return new(origin, File.ReadAllBytes(path));
            Directory.CreateDirectory(folder);
            foreach (var (file, content) in sources)
                Write(Path.Combine(folder, file), content);
            var temporary = $"{path}.{Environment.ProcessId}.tmp";
            Run([.. flags, "-c", Path.Combine(folder, $"{name}.bpf.c"), "-o", temporary]);
            File.Move(temporary, path, overwrite: true);
            foreach (var old in Directory.EnumerateDirectories(directory).Where(d => d != folder).ToList())
                Directory.Delete(old, recursive: true);
            return new(origin, File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LaneCompileException(e.Message, e);
        }
    }

    private static SortedDictionary<string, byte[]> Sources()
    {
        var sources = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var resource in Agent.GetManifestResourceNames().Where(n => n.StartsWith(ResourcePrefix, StringComparison.Ordinal)))
        {
            using var stream = Agent.GetManifestResourceStream(resource)!;
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            sources[resource[ResourcePrefix.Length..]] = content;
        }

        return sources;
    }

    /// <summary>The flags of the build.</summary>
    private static string[] Flags() =>
        Agent.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "BpfFlags").Value!
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string Key(SortedDictionary<string, byte[]> sources, string[] flags, string version)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // Lengths keep one part's end from being the next one's beginning.
        foreach (var part in (IEnumerable<byte[]>)[.. flags.Append(version).Select(Encoding.UTF8.GetBytes), .. sources.SelectMany(s => (byte[][])[Encoding.UTF8.GetBytes(s.Key), s.Value])])
        {
            hash.AppendData(BitConverter.GetBytes(part.Length));
            hash.AppendData(part);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..KeyLength];
    }

    /// <summary>Another agent on this host may be reading the same file.</summary>
    private static void Write(string path, byte[] content)
    {
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllBytes(temporary, content);
        File.Move(temporary, path, overwrite: true);
    }

    private static string Run(params string[] arguments)
    {
        var command = $"{Clang} {string.Join(' ', arguments)}";
        var start = new ProcessStartInfo(Clang, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["LC_ALL"] = "C";
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            if (!process.WaitForExit(Limit))
            {
                process.Kill(entireProcessTree: true);
                throw new LaneCompileException($"{command}: no end after {Limit.TotalSeconds:0} s");
            }

            return process.ExitCode == 0
                ? output.GetAwaiter().GetResult()
                : throw new LaneCompileException($"{command}: exit code {process.ExitCode}: {Shortened(errors.GetAwaiter().GetResult())}");
        }
        catch (Win32Exception e)
        {
            throw new LaneCompileException($"{Clang} cannot be run: {ErrnoNames.Describe(e.NativeErrorCode)}", e);
        }
    }

    private static string Shortened(string text)
    {
        var trimmed = text.Trim();
        return trimmed.Length <= MostOutput ? trimmed : trimmed[..MostOutput] + " …";
    }
}
