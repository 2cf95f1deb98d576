using System.CommandLine;
using System.Globalization;

namespace Accelerated.Lab.Front;

/// <summary>The commands of the console front and their options; the Makefile's variables map to them one to one.</summary>
internal static class LabCommandLine
{
    private const int Failed = 1;
    private const int Interrupted = 130;

    /// <summary>All commands.</summary>
    public static RootCommand Build(Screen screen)
    {
        var name = new Option<string>("--lab") { Description = "LAB: name prefix, so that two labs can stand side by side", DefaultValueFactory = _ => "lab" };
        var nodes = new Option<string>("--nodes") { Description = "NODES: number of hosts", DefaultValueFactory = _ => "2" };
        var pods = new Option<string>("--pods") { Description = "PODS: containers on each host", DefaultValueFactory = _ => "1" };
        var config = new Option<string>("--config") { Description = "CONFIG: flannel's network configuration, JSON", DefaultValueFactory = _ => LabSpec.DefaultConfig };
        var datapath = new Option<string>("--datapath")
        {
            Description = $"DATAPATH: {string.Join(", ", LabSpec.Datapaths)}",
            DefaultValueFactory = _ => "auto",
        };
        var link = new Option<string>("--link") { Description = "LINK: switch, or direct for two nodes joined by one veth", DefaultValueFactory = _ => "switch" };
        var agent = new Option<string?>("--agent") { Description = "the agent's binary (else ACCELERATED_BIN, else artifacts/accelerated)" };
        var flags = new Option<string[]>("--agent-flag") { Description = "one more flag for every agent, such as --agent-flag=-v=1; repeatable" };

        LabSpec Spec(ParseResult parsed) => new()
        {
            Name = parsed.GetValue(name)!,
            Nodes = Number("NODES", parsed.GetValue(nodes)!),
            PodsPerNode = Number("PODS", parsed.GetValue(pods)!),
            Config = parsed.GetValue(config)!,
            Datapath = parsed.GetValue(datapath)!,
            Link = parsed.GetValue(link) switch
            {
                "switch" => LabLink.Switch,
                "direct" => LabLink.Direct,
                var other => throw new LabException($"LINK={other} is unknown: use switch or direct"),
            },
            AgentBinary = parsed.GetValue(agent),
            AgentFlags = [.. parsed.GetValue(flags) ?? []],
        };

        Option[] building = [name, nodes, pods, config, datapath, link, agent, flags];
        var root = new RootCommand("Hosts and containers as network namespaces, with a real etcd: the lab of accelerated.")
        {
            Command("up", "builds a lab, starts its agents and leaves it running", building, (parsed, cancel) => LabSessions.UpAsync(Spec(parsed), screen, cancel)),
            Command("down", "removes every trace of a lab, also of a half-made one", [name], (parsed, _) => LabSessions.DownAsync(parsed.GetValue(name)!, screen)),
            Command("status", "shows what there is of a lab", [name, agent], (parsed, cancel) => LabSessions.StatusAsync(parsed.GetValue(name)!, parsed.GetValue(agent), screen, cancel)),
            Command("demo", "builds a lab, proves that containers reach each other, takes it down", building, (parsed, cancel) => new Demo(Spec(parsed), screen).RunAsync(cancel)),
        };
        return root;

        Command Command(string verb, string description, Option[] options, Func<ParseResult, CancellationToken, Task> action)
        {
            var command = new Command(verb, description);
            foreach (var option in options)
                command.Add(option);
            command.SetAction((parsed, cancel) => RunAsync(screen, () => action(parsed, cancel)));
            return command;
        }
    }

    private static async Task<int> RunAsync(Screen screen, Func<Task> action)
    {
        try
        {
            await action();
            return 0;
        }
        catch (OperationCanceledException)
        {
            screen.Bad("interrupted; the lab is down again");
            return Interrupted;
        }
        catch (LabException e)
        {
            screen.Bad(e.Message);
            return Failed;
        }
    }

    private static int Number(string variable, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new LabException($"{variable}='{text}' is not a number: give a whole number, such as {variable}=2");
}
