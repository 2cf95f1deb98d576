using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Accelerated.Bench;

namespace Accelerated.System.Tests.Bench;

/// <summary>One run of the benchmark, which has to succeed, and what it wrote.</summary>
internal sealed class BenchRun : IDisposable
{
    /// <summary>The collection of the tests that run it: it takes the machine for itself, and refuses where another has.</summary>
    public const string OneAtATime = "benchmark";

    private readonly string _folder = Directory.CreateTempSubdirectory("accelerated-bench-").FullName;
    private readonly string _name;

    private BenchRun(string name) => _name = name;

    /// <summary>The figures.</summary>
    public JsonNode Figures => JsonNode.Parse(File.ReadAllText($"{_folder}/{_name}.json"))!;

    /// <summary>The picture.</summary>
    public XDocument Picture => XDocument.Load($"{_folder}/{_name}.svg");

    /// <summary>Runs a command of the benchmark to its end.</summary>
    /// <param name="output">Gets what it prints.</param>
    /// <param name="name">The command, and what its files are called.</param>
    /// <param name="options">Its options, without <c>--output</c>.</param>
    public static async Task<BenchRun> OfAsync(ITestOutputHelper output, string name, params string[] options)
    {
        var cancel = TestContext.Current.CancellationToken;
        var run = new BenchRun(name);
        using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(Arm).Assembly.Location, name, .. options, "--output", run._folder])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var said = process.StandardOutput.ReadToEndAsync(cancel);
        var complained = await process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        output.WriteLine(await said + complained);
        Assert.Equal(0, process.ExitCode);
        return run;
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
