namespace Accelerated.Lab.Front;

/// <summary>The commands <c>up</c>, <c>down</c> and <c>status</c>.</summary>
internal static class LabSessions
{
    /// <summary>Builds a lab with agents and containers, leaves it running and says how to look into it.</summary>
    public static async Task UpAsync(LabSpec spec, Screen screen, CancellationToken cancel)
    {
        await using var lab = await NetworkLab.UpAsync(spec, cancel);
        if (lab.RemovedAnEarlierOne)
            screen.Line($"removed an earlier lab '{spec.Name}'");
        try
        {
            await lab.StartAllAsync(cancel: cancel);
        }
        catch (LabException)
        {
            ReportLogs(lab, screen);
            throw;
        }
        lab.LeaveRunning();
        var (node, layout) = (lab.Node(1), lab.Layout);
        screen.Good($"the lab '{spec.Name}' is up: {Picture.Count(spec.Nodes, "node")} with {Picture.Count(spec.PodsPerNode, "container")} each. Look into it:");
        List<(string Command, string What)> looks =
        [
            ("ip netns list", "all of its namespaces"),
            ($"nsenter --net=/run/netns/{node.Namespace} bash", "a shell on node 1"),
            ($"ip -n {node.Namespace} route", "the routes of node 1"),
            ($"tail -f {node.LogFile}", "what its agent says"),
            ($"{LabTools.Agent(spec.AgentBinary)} status --run-dir={node.RunDirectory}", "how its agent is"),
            ($"nsenter --net=/run/netns/{layout.EtcdNamespace} {LabTools.Etcdctl()} --endpoints={layout.EtcdEndpoint} get --prefix {LabEtcd.Prefix}", "what etcd holds"),
        ];
        if (spec.PodsPerNode > 0 && spec.Nodes > 1)
            looks.Add(($"nsenter --net=/run/netns/{lab.Pod(1, 1).Namespace} ping {lab.Pod(2, 1).Address}", "from a container on node 1 to one on node 2"));
        foreach (var (command, what) in looks)
            screen.Block($"# {what}\n{command}");
        screen.Line(spec.Name == "lab" ? "Remove it with: make lab-down" : $"Remove it with: make lab-down LAB={spec.Name}");
    }

    /// <summary>Removes a lab.</summary>
    public static async Task DownAsync(string name, Screen screen) =>
        screen.Good(await NetworkLab.DownAsync(name) ? $"the lab '{name}' is gone" : $"there was no lab '{name}'");

    /// <summary>Shows what there is of a lab, and what its agents say.</summary>
    /// <exception cref="LabException">There is none.</exception>
    public static async Task StatusAsync(string name, string? binary, Screen screen, CancellationToken cancel)
    {
        var traces = await NetworkLab.TracesAsync(name);
        if (traces.Count == 0)
            throw new LabException($"there is no lab '{name}': build one with 'make lab-up'");
        foreach (var trace in traces)
            screen.Line(trace);
        var layout = new LabLayout(name);
        var commands = new LabCommands(name);
        for (var node = 1; Directory.Exists(layout.NodeDirectory(node)); node++)
        {
            screen.Title(layout.NodeNamespace(node));
            var status = await commands.ExecAsync([LabTools.Agent(binary), "status", $"--run-dir={layout.NodeDirectory(node)}"], cancel: cancel);
            screen.Block(status.Stdout + status.Stderr);
        }
    }

    /// <summary>Keeps the logs of a lab that goes down in trouble, and says where.</summary>
    public static void ReportLogs(NetworkLab lab, Screen screen)
    {
        if (lab.SaveLogs() is { Count: > 0 } files)
            screen.Bad($"logs are kept in {Path.GetDirectoryName(files[0])}");
    }
}
