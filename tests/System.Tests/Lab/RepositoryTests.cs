using System.Diagnostics;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lab;

/// <summary>What people and CI call: the Makefile's targets and the script that counts tests.</summary>
public sealed partial class RepositoryTests : IDisposable
{
    private static readonly string Repository = LabTools.Repository ?? throw new InvalidOperationException("not run from the repository");

    private readonly DirectoryInfo _reports = Directory.CreateTempSubdirectory("accelerated-reports-");

    [Fact]
    public async Task MakeHelp_EveryTarget_IsListed()
    {
        var makefile = await File.ReadAllTextAsync(Path.Combine(Repository, "Makefile"), TestContext.Current.CancellationToken);
        var phony = PhonyLine().Match(makefile).Groups[1].Value.Split(' ');
        Assert.Superset(
            new HashSet<string>(["help", "deps", "build", "test", "demo", "lab-up", "lab-down", "bench-datapath", "lint", "format", "clean"]), phony.ToHashSet());

        var (code, output) = await RunAsync("make", ["help"]);

        Assert.Equal(0, code);
        Assert.All(phony, target => Assert.Matches($@"(?m)^  make {target} +\S", output));
        Assert.All(["NODES=2", "PODS=1", "CONFIG='", "DATAPATH=auto", "LAB=lab", "LINK="], variable => Assert.Contains(variable, output));
    }

    [Fact]
    public void FlannelsContract_EveryTestItNames_IsThere()
    {
        var classes = Directory.EnumerateFiles(Path.Combine(Repository, "tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToLookup(f => Path.GetFileNameWithoutExtension(f), File.ReadAllText, StringComparer.Ordinal);
        var page = File.ReadAllText(Path.Combine(Repository, "docs", "flannel.md"));
        var named = NamedTest().Matches(page).Select(m => (Class: m.Groups[1].Value, Method: m.Groups[2].Value)).Distinct().ToList();

        Assert.True(named.Count > 50, $"only {named.Count} tests are named");
        Assert.All(named, t => Assert.True(classes[t.Class].Any(text => text.Contains($" {t.Method}(", StringComparison.Ordinal)), $"there is no {t.Class}.{t.Method}"));
        // Every line of the tables has one.
        Assert.All(page.Split('\n').Where(l => l.StartsWith("| ", StringComparison.Ordinal) && !l.EndsWith("| held by |", StringComparison.Ordinal)), l => Assert.Matches(NamedTest(), l));
    }

    [Fact]
    public void Reliability_EveryTestItNames_IsThere()
    {
        var tests = string.Join('\n', Directory.EnumerateFiles(Path.Combine(Repository, "tests"), "*Tests.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        var named = NamedMethod().Matches(File.ReadAllText(Path.Combine(Repository, "docs", "reliability.md"))).Select(m => m.Groups[1].Value).Distinct().ToList();

        Assert.True(named.Count > 40, $"only {named.Count} tests are named");
        Assert.All(named, name => Assert.Contains($" {name}(", tests, StringComparison.Ordinal));
    }

    [Fact]
    public async Task MakeDemo_ValuesWithQuotesAndDollars_ReachTheLabAsTheyAre()
    {
        // -n prints what would run; the shell then shows what it makes of it.
        var (_, printed) = await RunAsync("make", ["-n", "demo", "CONFIG={\"a\":\"it's $$HOME\"}", "LAB=x y"]);
        var line = printed.Split('\n').Single(l => l.Contains(" demo "));
        var words = (await RunAsync("sh", ["-c", $"set -- {line[line.IndexOf("--lab", StringComparison.Ordinal)..]}; printf '%s\\n' \"$@\""])).Output.Split('\n');

        Assert.Equal("x y", words[1]);
        Assert.Equal("{\"a\":\"it's $HOME\"}", words[7]);
    }

    [Fact]
    public async Task Count_NoReport_Fails()
    {
        var (code, output) = await CountAsync(ci: false);

        Assert.Equal((1, "0 passed, 0 failed, 0 skipped"), (code, LastLine(output)));
        Assert.Contains("no test was executed", output);
    }

    [Fact]
    public async Task Count_ReportsWithoutTests_Fails()
    {
        Write("a", passed: 0, failed: 0, skipped: 0);

        Assert.Equal(1, (await CountAsync(ci: false)).Code);
    }

    [Fact]
    public async Task Count_OnlySkippedTests_Fails()
    {
        Write("a", passed: 0, failed: 0, skipped: 3);

        Assert.Equal(1, (await CountAsync(ci: false)).Code);
    }

    [Fact]
    public async Task Count_SeveralReports_AreSummed()
    {
        Write("a", passed: 3, failed: 0, skipped: 0);
        Write("b", passed: 39, failed: 0, skipped: 0);

        var (code, output) = await CountAsync(ci: true);

        Assert.Equal((0, "42 passed, 0 failed, 0 skipped"), (code, LastLine(output)));
    }

    [Fact]
    public async Task Count_OneFailure_Fails()
    {
        Write("a", passed: 3, failed: 0, skipped: 0);
        Write("b", passed: 3, failed: 1, skipped: 0);

        var (code, output) = await CountAsync(ci: false);

        Assert.Equal((1, "6 passed, 1 failed, 0 skipped"), (code, LastLine(output)));
    }

    [Theory]
    [InlineData(2, 0, 0, "8 passed, 0 failed, 0 skipped")]
    [InlineData(1, 1, 1, "6 passed, 2 failed, 0 skipped")]
    [InlineData(1, 0, 1, "6 passed, 2 failed, 0 skipped")]
    public async Task Count_FailedTestsRunOnceMore_AreForgivenTogether(int passed, int failed, int expected, string summary)
    {
        Write("a", passed: 3, failed: 0, skipped: 0);
        Write("b", passed: 3, failed: 2, skipped: 0);
        _reports.CreateSubdirectory("again");
        Write("again/b", passed, failed, skipped: 0);

        var (code, output) = await CountAsync(ci: true);

        Assert.Equal((expected, summary), (code, LastLine(output)));
    }

    [Fact]
    public async Task Count_ErrorOutsideATest_Fails()
    {
        Write("a", passed: 3, failed: 0, skipped: 0, errors: 1);

        Assert.Equal(1, (await CountAsync(ci: false)).Code);
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 1)]
    public async Task Count_SkippedTest_FailsInCiOnly(bool ci, int expected)
    {
        Write("a", passed: 3, failed: 0, skipped: 1);

        var (code, output) = await CountAsync(ci);

        Assert.Equal((expected, "3 passed, 0 failed, 1 skipped"), (code, LastLine(output)));
    }

    [Fact]
    public async Task TestScript_NoTestMatches_FailsWithTheRealRunner()
    {
        var (code, output) = await RunAsync("scripts/test.sh", ["--no-build", "tests/System.Tests"], ("FILTER", "NoTestHasThisName"));

        Assert.Equal((1, "0 passed, 0 failed, 0 skipped"), (code, LastLine(output)));
    }

    [Fact]
    public async Task TestScript_OneTestMatches_CountsItWithTheRealRunner()
    {
        var (code, output) = await RunAsync(
            "scripts/test.sh", ["--no-build", "tests/System.Tests"], ("FILTER", nameof(PingResultTests.Parse_NoStatistics_Throws)));

        Assert.Equal((0, "1 passed, 0 failed, 0 skipped"), (code, LastLine(output)));
    }

    public void Dispose() => _reports.Delete(recursive: true);

    private void Write(string name, int passed, int failed, int skipped, int errors = 0) =>
        File.WriteAllText(
            Path.Combine(_reports.FullName, $"{name}.xml"),
            $"""
            <?xml version="1.0" encoding="utf-8"?><assemblies schema-version="3" id="1"><assembly name="/x/{name}.dll" total="{passed + failed + skipped}" passed="{passed}" failed="{failed}" skipped="{skipped}" not-run="0" errors="{errors}" time="0.1"><collection name="passed=&quot;7&quot;" total="9" passed="9" failed="9" skipped="9"/></assembly></assemblies>
            """);

    private Task<(int Code, string Output)> CountAsync(bool ci) =>
        RunAsync("scripts/test.sh", ["--count", _reports.FullName], ("CI", ci ? "true" : ""));

    private static string LastLine(string output) => output.TrimEnd().Split('\n')[^1];

    private static async Task<(int Code, string Output)> RunAsync(string program, string[] arguments, params (string, string)[] environment)
    {
        // Both streams into one, in order, as a terminal shows them.
        var start = new ProcessStartInfo("sh") { WorkingDirectory = Repository, RedirectStandardOutput = true };
        foreach (var word in (string[])["-c", "exec \"$@\" 2>&1", "sh", program, .. arguments])
            start.ArgumentList.Add(word);
        // What the test runner or make told this process is not meant for another run of them.
        foreach (var name in start.Environment.Keys.Where(k => k is "MAKEFLAGS" or "MAKELEVEL" or "FILTER" || k.StartsWith("TESTINGPLATFORM_", StringComparison.Ordinal) || k.StartsWith("DOTNET_CLI_TEST", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output);
    }

    [GeneratedRegex(@"`(\w+Tests)\.(\w+)`")]
    private static partial Regex NamedTest();

    [GeneratedRegex(@"`([A-Z]\w+_\w+)`")]
    private static partial Regex NamedMethod();

    [GeneratedRegex(@"(?m)^\.PHONY: (.*)$")]
    private static partial Regex PhonyLine();
}
