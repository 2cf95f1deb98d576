using System.CommandLine;
using System.Globalization;
using System.Net;
using Accelerated.Interop;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>The commands and their options; the Makefile's variables map to them one to one.</summary>
internal static class CommandLine
{
    /// <summary>The command that is a load's server.</summary>
    public const string Serve = "serve";

    /// <summary>The command that is a load's client.</summary>
    public const string Request = "request";

    private const int Failed = 1;
    private const int Interrupted = 130;

    /// <summary>All commands.</summary>
    public static RootCommand Build() => new("Measures the datapaths of accelerated against each other.") { Datapath(), Server(), Client() };

    private static Command Datapath()
    {
        var lab = Variable("--lab", "bench", "LAB: name prefix of the namespaces");
        var rounds = Variable("--rounds", "10", "ROUNDS: how often everything is measured");
        var seconds = Variable("--seconds", "1", "SECONDS: how long each measurement takes");
        var arms = Variable("--arms", Selection.All, "ARMS: some of bare,host-gw,kernel,lane1,lanes");
        var workloads = Variable("--workloads", Selection.All, "WORKLOADS: some of stream,flows32,service,udp64,rr,crr");
        var gate = Variable("--gate", "1", "GATE: 0 ends with success whatever the figures are");
        var folder = new Option<string?>("--output") { Description = "where the report goes (else artifacts/bench)" };
        var command = new Command("datapath", "throughput, packets, round trips and connections in every arm") { lab, rounds, seconds, arms, workloads, gate, folder };
        command.SetAction(async (parsed, cancel) =>
        {
            try
            {
                var options = BenchOptions.Read(
                    parsed.GetValue(lab)!, parsed.GetValue(rounds)!, parsed.GetValue(seconds)!, parsed.GetValue(arms)!, parsed.GetValue(workloads)!,
                    parsed.GetValue(gate)!, parsed.GetValue(folder));
                return await RunAsync(options, cancel);
            }
            catch (OperationCanceledException)
            {
                return await SayAsync("interrupted; the lab is down again", Interrupted);
            }
            catch (Exception e) when (e is LabException or NativeException)
            {
                return await SayAsync(e.Message, Failed);
            }
        });
        return command;
    }

    private static async Task<int> RunAsync(BenchOptions options, CancellationToken cancel)
    {
        var report = await new DatapathBench(options, Console.Out).RunAsync(cancel);
        Console.WriteLine();
        foreach (var line in Tables.Show(report))
            Console.WriteLine(line);
        Console.WriteLine();
        foreach (var file in report.Save(options.Output))
            Console.WriteLine($"written: {file}");
        return !report.MissesAFloor ? 0
            : options.Gate ? await SayAsync("a floor is not met, see above (GATE=0 to end with success all the same)", Failed)
            : 0;
    }

    private static Command Server()
    {
        var address = new Argument<string>("address");
        var command = new Command(Serve, "answers requests; started by this program itself") { address };
        command.Hidden = true;
        command.SetAction(parsed => ShortConnections.Serve(IPEndPoint.Parse(parsed.GetValue(address)!)));
        return command;
    }

    private static Command Client()
    {
        var (address, seconds) = (new Argument<string>("address"), new Argument<string>("seconds"));
        var command = new Command(Request, "makes requests; started by this program itself") { address, seconds };
        command.Hidden = true;
        command.SetAction(parsed => ShortConnections.Request(
            IPEndPoint.Parse(parsed.GetValue(address)!),
            TimeSpan.FromSeconds(double.Parse(parsed.GetValue(seconds)!, CultureInfo.InvariantCulture)), Console.Out));
        return command;
    }

    private static Option<string> Variable(string name, string standard, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => standard };

    private static async Task<int> SayAsync(string message, int code)
    {
        await Console.Error.WriteLineAsync($"bench: {message}");
        return code;
    }
}
