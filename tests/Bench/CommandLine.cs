using System.CommandLine;
using System.Globalization;
using System.Net;
using Accelerated.Bench.Control;
using Accelerated.Bench.Receive;
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

    /// <summary>The command that works inside a host of the lab.</summary>
    public const string Probe = "probe";

    /// <summary>The command that sends frames.</summary>
    public const string Flood = "flood";

    private const int Failed = 1;
    private const int Interrupted = 130;

    /// <summary>All commands.</summary>
    public static RootCommand Build() => new("Measures the datapaths of accelerated against each other.") { Datapath(), ControlPlane(), Receiving(), Idle(), Server(), Client(), ControlProbing(), Flooding() };

    private static Command Datapath()
    {
        var lab = Variable("--lab", "bench", "LAB: name prefix of the namespaces");
        var rounds = Variable("--rounds", "10", "ROUNDS: how often everything is measured");
        var seconds = Variable("--seconds", "1", "SECONDS: how long each measurement takes");
        var peers = Variable("--peers", "0", "PEERS: how many leases there are beside the two hosts'");
        var arms = Variable("--arms", Selection.All, "ARMS: some of bare,host-gw,kernel,lane1,lanes");
        var workloads = Variable("--workloads", Selection.All, "WORKLOADS: some of stream,flows32,service,udp64,rr,crr");
        var gate = Variable("--gate", "1", "GATE: 0 ends with success whatever the figures are");
        var folder = new Option<string?>("--output") { Description = "where the report goes (else artifacts/bench)" };
        var command = new Command("datapath", "throughput, packets, round trips and connections in every arm") { lab, rounds, seconds, peers, arms, workloads, gate, folder };
        command.SetAction((parsed, cancel) => GuardedAsync(async () =>
        {
            var options = BenchOptions.Read(
                parsed.GetValue(lab)!, parsed.GetValue(rounds)!, parsed.GetValue(seconds)!, parsed.GetValue(peers)!, parsed.GetValue(arms)!, parsed.GetValue(workloads)!,
                parsed.GetValue(gate)!, parsed.GetValue(folder));
            return await RunAsync(options, cancel);
        }));
        return command;
    }

    private static Command ControlPlane()
    {
        var lab = Variable("--lab", "bench", "LAB: name prefix of the namespaces");
        var rounds = Variable("--rounds", "5", "ROUNDS: how often everything is measured");
        var gate = Variable("--gate", "1", "GATE: 0 ends with success whatever the figures are");
        var force = Variable("--force", "0", "FORCE: 1 measures on a machine that others keep busy");
        var folder = new Option<string?>("--output") { Description = "where the report goes (else artifacts/bench)" };
        var command = new Command("control", "from etcd to the kernel: time, CPU and memory") { lab, rounds, gate, force, folder };
        command.SetAction((parsed, cancel) => GuardedAsync(async () =>
        {
            var options = BenchOptions.Read(
                parsed.GetValue(lab)!, parsed.GetValue(rounds)!, "1", "0", Selection.All, Selection.All, parsed.GetValue(gate)!, parsed.GetValue(folder));
            using var machine = MachineLock.Take();
            var report = await new ControlBench(options.LabName, options.Rounds, Console.Out).RunAsync(parsed.GetValue(force) == "1", cancel);
            Console.WriteLine();
            foreach (var line in report.Show())
                Console.WriteLine(line);
            Console.WriteLine();
            Console.WriteLine($"written: {report.Save(options.Output)}");
            return !report.Misses || !options.Gate ? 0 : await SayAsync("not all that is wanted is there, see above (GATE=0 to end with success all the same)", Failed);
        }));
        return command;
    }

    private static Command Receiving()
    {
        var lab = Variable("--lab", "bench", "LAB: name prefix of the namespaces");
        var rounds = Variable("--rounds", "3", "ROUNDS: how often everything is measured");
        var seconds = Variable("--seconds", "1", "SECONDS: how long each step takes");
        var steps = Variable("--steps", "99", "STEPS: only so many steps of each kind, the lower ones");
        var arms = Variable("--arms", Selection.All, "ARMS: some of drop,xdp,tc,kernel,none");
        var gate = Variable("--gate", "1", "GATE: 0 ends with success whatever the figures are");
        var force = Variable("--force", "0", "FORCE: 1 measures on a machine that others keep busy");
        var folder = new Option<string?>("--output") { Description = "where the report goes (else artifacts/bench)" };
        var command = new Command("receive", "how many packets a host receives, and what a flood of forged ones leaves of a flow") { lab, rounds, seconds, steps, arms, gate, force, folder };
        command.SetAction((parsed, cancel) => GuardedAsync(async () =>
        {
            var options = BenchOptions.Read(
                parsed.GetValue(lab)!, parsed.GetValue(rounds)!, parsed.GetValue(seconds)!, "0", Selection.All, Selection.All, parsed.GetValue(gate)!, parsed.GetValue(folder));
            var chosen = ReceiveArm.Parse(parsed.GetValue(arms)!);
            var few = BenchOptions.Number("STEPS", parsed.GetValue(steps)!, 1, 99);
            using var machine = MachineLock.Take();
            var report = await new ReceiveBench(options.LabName, options.Rounds, options.Seconds, few, chosen, Console.Out).RunAsync(parsed.GetValue(force) == "1", cancel);
            Console.WriteLine();
            foreach (var line in report.Show())
                Console.WriteLine(line);
            Console.WriteLine();
            foreach (var file in report.Save(options.Output))
                Console.WriteLine($"written: {file}");
            return !report.MissesTheFloor || !options.Gate ? 0 : await SayAsync("the floor is not met, see above (GATE=0 to end with success all the same)", Failed);
        }));
        return command;
    }

    private static Command Flooding()
    {
        var order = new Argument<string>("order");
        var command = new Command(Flood, "sends frames; started by this program itself") { order };
        command.Hidden = true;
        command.SetAction(parsed => FloodSource.Send(parsed.GetValue(order)!, Console.Out));
        return command;
    }

    private static Command Idle()
    {
        var lab = Variable("--lab", "bench", "LAB: name prefix of the namespaces");
        var minutes = Variable("--minutes", "60", "MINUTES: how long agents do nothing");
        var command = new Command("idle", "what an agent costs that has nothing to do: CPU, memory, bytes to etcd") { lab, minutes };
        command.SetAction((parsed, cancel) => GuardedAsync(async () =>
        {
            await new IdleBench(parsed.GetValue(lab)!, BenchOptions.Number("MINUTES", parsed.GetValue(minutes)!, 1, 24 * 60), Console.Out).RunAsync(cancel);
            return 0;
        }));
        return command;
    }

    private static Command ControlProbing()
    {
        var (what, count, endpoint) = (new Argument<string>("what"), new Argument<int>("count"), new Argument<string>("endpoint"));
        var command = new Command(Probe, "works inside a host of the lab; started by this program itself") { what, count, endpoint };
        command.Hidden = true;
        command.SetAction((parsed, cancel) => GuardedAsync(async () =>
        {
            var (number, etcd) = (parsed.GetValue(count), parsed.GetValue(endpoint)!);
            await (parsed.GetValue(what) switch
            {
                "seed" => ControlProbe.SeedAsync(etcd, number, cancel),
                "arrive" => ControlProbe.ArriveAsync(number, Console.Out, cancel),
                _ => ControlProbe.LatencyAsync(etcd, number, Console.Out, cancel),
            });
            return 0;
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
        catch (Exception e) when (e is LabException or NativeException)
        {
            return await SayAsync(e.Message, Failed);
        }
    }

    private static async Task<int> RunAsync(BenchOptions options, CancellationToken cancel)
    {
        using var machine = MachineLock.Take();
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
