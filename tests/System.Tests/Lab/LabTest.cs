using Accelerated.Lab;

namespace Accelerated.System.Tests.Lab;

/// <summary>
/// Base of the tests that need a lab. Each lab gets a name of its own, so that tests run side by side and beside a
/// developer's lab; it goes down after the test, and if the test failed, the logs of its agents and of etcd go with the
/// result: attached, and their ends printed.
/// <example>
/// <code>
/// public sealed class JoinTests(ITestOutputHelper output) : LabTest(output)
/// {
///     [Fact]
///     public async Task Container_AgentsRunning_ReachesTheOtherHost()
///     {
///         var lab = await UpAsync(new LabSpec { Nodes = 2 });      // no 'await using': the base takes it down
///         await lab.StartAllAsync(cancel: Cancel);
///
///         await using var ping = lab.Pod(1, 1).StartPing(lab.Pod(2, 1).Address);
///         await ping.WaitAnswersAsync(10, cancel: Cancel);
///         await lab.Node(1).KillAgentAsync();
///         lab.Node(1).StartAgent();
///         await lab.Node(1).WaitReadyAsync(cancel: Cancel);
///
///         Assert.Equal(0, (await ping.StopAsync()).Lost);
///         Assert.Contains(await lab.Node(1).IpAsync("link", "show"), l => (string?)l["ifname"] == "flannel.1");
///     }
/// }
/// </code>
/// </example>
/// </summary>
public abstract class LabTest(ITestOutputHelper output) : IAsyncDisposable
{
    private const int NameDigits = 5;
    private const int CounterDigits = 2;
    private const int CounterLimit = 36 * 36;

    // What killed test runs left is removed once per process, before its first lab.
    private static readonly Lazy<Task> Sweep = new(SweepAsync);
    private static int _labsMade;

    private readonly List<NetworkLab> _labs = [];

    /// <summary>Ends waits when the test run is cancelled.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Where a test prints what it measured.</summary>
    protected ITestOutputHelper Output => output;

    /// <summary>A lab's name that no other test uses: <c>t</c>, the process id and a counter in base 36.</summary>
    protected static string NewLabName() =>
        $"t{Base36(Environment.ProcessId, NameDigits)}{Base36(Interlocked.Increment(ref _labsMade) % CounterLimit, CounterDigits)}";

    /// <summary>Builds a lab, under a name of its own whatever the spec says.</summary>
    /// <exception cref="LabException">It cannot be built.</exception>
    protected async Task<NetworkLab> UpAsync(LabSpec spec)
    {
        var lab = await RaiseAsync(spec);
        _labs.Add(lab);
        return lab;
    }

    /// <summary>The same for a lab that outlives one test; whoever asks takes it down.</summary>
    /// <exception cref="LabException">It cannot be built.</exception>
    internal static async Task<NetworkLab> RaiseAsync(LabSpec spec)
    {
        await Sweep.Value;
        return await NetworkLab.UpAsync(spec with { Name = NewLabName() }, Cancel);
    }

    /// <summary>Keeps logs if the test failed, and takes all labs down.</summary>
    public async ValueTask DisposeAsync()
    {
        var failed = TestContext.Current.TestState?.Result == TestResult.Failed;
        foreach (var lab in _labs)
        {
            if (failed)
                Report(lab, output);
            await lab.DisposeAsync();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Attaches the logs of a lab to the result of the running test and prints their ends.</summary>
    internal static void Report(NetworkLab lab, ITestOutputHelper output)
    {
        foreach (var file in lab.SaveLogs())
        {
            output.WriteLine(LogFiles.Tail(file, lines: 40));
            TestContext.Current.AddAttachment($"{lab.Spec.Name}-{Path.GetFileName(file)}", LogFiles.Read(file));
        }
    }

    private static async Task SweepAsync()
    {
        const string prefix = "/run/accelerated-";
        foreach (var name in Directory.EnumerateDirectories("/run", "accelerated-t*").Select(d => d[prefix.Length..]))
        {
            if (name.Length == 1 + NameDigits + CounterDigits && Owner(name[1..^CounterDigits]) is var pid && !Directory.Exists($"/proc/{pid}"))
                await NetworkLab.DownAsync(name);
        }
    }

    private static string Base36(int number, int digits)
    {
        var text = new char[digits];
        for (var at = digits - 1; at >= 0; at--, number /= 36)
            text[at] = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
        return new string(text);
    }

    private static int Owner(string base36) =>
        base36.Aggregate(0, (sum, c) => (sum * 36) + (char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetterLower(c) ? c - 'a' + 10 : 0));
}
