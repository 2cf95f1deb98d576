using System.CommandLine;
using Accelerated.Lab;

namespace Accelerated.Soak;

/// <summary>The command and its options; the Makefile's variables map to them one to one.</summary>
internal static class CommandLine
{
    private const int Failed = 1;
    private const int Interrupted = 130;

    /// <summary>The command.</summary>
    public static RootCommand Build()
    {
        var lab = Variable("--lab", "soak", "LAB: name prefix of the namespaces");
        var minutes = Variable("--minutes", "10", "MINUTES: how long faults are made, such as 10 or 0.5");
        var seed = Variable("--seed", "", "SEED: makes the same faults in the same order again; empty for another one each time");
        var folder = new Option<string?>("--output") { Description = "where the report goes (else artifacts/soak)" };
        var command = new RootCommand("Makes faults at random while containers talk, and looks at what is left of them. Exit code: 0 green, 1 red.") { lab, minutes, seed, folder };
        command.SetAction((parsed, cancel) => GuardedAsync(async () =>
        {
            var options = SoakOptions.Read(parsed.GetValue(lab)!, parsed.GetValue(minutes)!, parsed.GetValue(seed)!, parsed.GetValue(folder));
            var report = await new SoakRun(options, Console.Out).RunAsync(cancel);
            foreach (var finding in report.Findings)
                Console.WriteLine($"\nfinding: {finding}");
            Console.WriteLine($"\nwritten: {report.Save(options.Output)}");
            Console.WriteLine(report.Verdict);
            return report.Findings.Count == 0 ? 0 : Failed;
        }));
        return command;
    }

    private static async Task<int> GuardedAsync(Func<Task<int>> work)
    {
        try
        {
            return await work();
        }
        catch (OperationCanceledException)
        {
            return await SayAsync("interrupted; the lab is down again", Interrupted);
        }
        catch (LabException e)
        {
            return await SayAsync(e.Message, Failed);
        }
    }

    private static Option<string> Variable(string name, string standard, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => standard };

    private static async Task<int> SayAsync(string message, int code)
    {
        await Console.Error.WriteLineAsync($"soak: {message}");
        return code;
    }
}
