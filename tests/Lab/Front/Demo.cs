using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Accelerated.Lab.Front;

/// <summary>The demo: builds a lab, shows that containers on different hosts reach each other and how, and takes it down.</summary>
internal sealed class Demo(LabSpec spec, Screen screen)
{
    private static readonly TimeSpan MeasuringTime = TimeSpan.FromSeconds(2);

    /// <summary>Runs it all.</summary>
    /// <exception cref="LabException">Something failed; the logs have been kept and the lab is down.</exception>
    /// <exception cref="OperationCanceledException">Interrupted; the lab is down.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        spec.Validate();
        var clock = Stopwatch.StartNew();
        screen.Line($"Building {Picture.Count(spec.Nodes, "host")} with {Picture.Count(spec.PodsPerNode, "container")} each, and an etcd …");
        await using (var lab = await NetworkLab.UpAsync(spec, cancel))
        {
            try
            {
                if (lab.RemovedAnEarlierOne)
                    screen.Line($"(removed an earlier lab '{spec.Name}' first)");
                await lab.StartAllAsync(cancel: cancel);
                screen.Good($"agents are ready, containers attached ({clock.Elapsed.TotalSeconds:0.0} s)");
                await ShowAsync(lab, cancel);
            }
            catch (LabException)
            {
                LabSessions.ReportLogs(lab, screen);
                throw;
            }
        }
        var left = await NetworkLab.TracesAsync(spec.Name);
        if (left.Count > 0)
            throw new LabException($"the lab left something behind: {string.Join(", ", left)}");
        screen.Line();
        screen.Good($"all of it taken down again ({clock.Elapsed.TotalSeconds:0.0} s in all)");
    }

    private async Task ShowAsync(NetworkLab lab, CancellationToken cancel)
    {
        await DrawAsync(lab);
        await ShowSubnetsAsync(lab, cancel);
        await ShowKernelAsync(lab);
        if (spec.PodsPerNode > 0 && spec.Nodes > 1)
        {
            await PingAsync(lab, cancel);
            await CaptureAsync(lab, cancel);
            await MeasureAsync(lab, cancel);
        }
        await ShowDatapathAsync(lab, cancel);
        await ShowStatusAsync(lab, cancel);
    }

    private async Task DrawAsync(NetworkLab lab)
    {
        screen.Title("The lab");
        var facts = new List<NodeFacts>();
        foreach (var node in lab.Nodes)
            facts.Add(await NodeFacts.GatherAsync(node));
        foreach (var line in Picture.Draw(facts, lab.Layout.EtcdEndpoint, spec.Link))
            screen.Line(line);
    }

    private async Task ShowSubnetsAsync(NetworkLab lab, CancellationToken cancel)
    {
        screen.Title("Subnet leases, as etcd holds them");
        screen.Command($"etcdctl get --prefix {LabEtcd.Prefix}/subnets");
        var keys = await lab.Etcd.ListAsync(cancel: cancel);
        if (keys.Count != spec.Nodes)
            throw new LabException($"etcd holds {Picture.Count(keys.Count, "subnet lease")} for {Picture.Count(spec.Nodes, "node")}");
        foreach (var key in keys)
        {
            screen.Block(key.Key);
            screen.Block($"  {key.Value}");
            screen.Block($"  {await RemainingAsync(lab, key, cancel)}");
        }
    }

    private static async Task<string> RemainingAsync(NetworkLab lab, EtcdKey key, CancellationToken cancel)
    {
        if (key.LeaseId == 0)
            return "no etcd lease: a reservation";
        var id = key.LeaseId.ToString("x", CultureInfo.InvariantCulture);
        using var lease = JsonDocument.Parse(await lab.Etcd.CtlAsync(["lease", "timetolive", id, "-w", "json"], stdin: null, cancel));
        return $"etcd lease {id}: {lease.RootElement.GetProperty("ttl")} of {lease.RootElement.GetProperty("granted-ttl")} s left";
    }

    private async Task ShowKernelAsync(NetworkLab lab)
    {
        var node = lab.Node(1);
        screen.Title($"What the kernel of {node.Namespace} knows");
        var commands = new List<string[]> { (string[])["ip", "route"] };
        foreach (var device in (await node.IpAsync("link", "show", "type", "vxlan")).Select(l => (string)l["ifname"]!))
            commands.AddRange([["ip", "neighbour", "show", "dev", device], ["bridge", "fdb", "show", "dev", device]]);
        foreach (var command in commands)
        {
            screen.Command($"{command[0]} -n {node.Namespace} {string.Join(' ', command[1..])}");
            screen.Block(await node.RunAsync(command));
        }
    }

    private async Task PingAsync(NetworkLab lab, CancellationToken cancel)
    {
        screen.Title("Containers on different hosts reach each other");
        foreach (var (from, to) in lab.Nodes.Zip(lab.Nodes.Skip(1).Append(lab.Node(1))).SelectMany(p => Both(p.First.Pods[0], p.Second.Pods[0])).Distinct())
        {
            var result = await from.PingAsync(to.Address, count: 3, cancel);
            if (result.Received != result.Sent)
                throw new LabException($"{from.Namespace} does not reach {to.Namespace} ({to.Address}): {result.Received} of {result.Sent} answers");
            screen.Good($"{from.Namespace} {from.Address} → {to.Namespace} {to.Address}: {result.Received} of {result.Sent} answers");
        }

        static (LabPod, LabPod)[] Both(LabPod a, LabPod b) => [(a, b), (b, a)];
    }

    private async Task CaptureAsync(NetworkLab lab, CancellationToken cancel)
    {
        var (from, to) = (lab.Pod(1, 1), lab.Pod(2, 1));
        screen.Title("One of those packets on the wire between the hosts");
        // Whatever carries the ping: encapsulated in UDP to the peer's address, or plain ICMP.
        var peer = lab.Node(2).Address;
        await using var capture = await lab.Node(1).StartCaptureAsync("eth0", $"icmp or (udp and dst host {peer})", cancel);
        await from.PingAsync(to.Address, count: 1, cancel);
        await capture.WaitPacketsAsync(1, cancel: cancel);
        await capture.StopAsync();
        screen.Command($"tcpdump -i eth0    (in {lab.Node(1).Namespace})");
        foreach (var line in (await capture.LinesAsync("-t", "-e", "-T", "vxlan", "-c", "1")).Take(2))
            screen.Block(line.Trim());
    }

    /// <summary>One connection by the driver alone, as flannel has it, then the same by the lanes where they are in use.</summary>
    private async Task MeasureAsync(NetworkLab lab, CancellationToken cancel)
    {
        screen.Title($"Throughput, one TCP connection for {MeasuringTime.TotalSeconds:0} s (a figure, not a benchmark)");
        var (host, peer) = (lab.Node(1), lab.Node(2));
        Say("host to host", await host.IperfAsync(peer, peer.Address, MeasuringTime, cancel: cancel));
        if ((string?)(await host.StatusAsync(cancel))["datapath"] != LabSpec.BpfDatapath)
        {
            Say("container to container", await FromContainerAsync());
            return;
        }

        await RestartAsync(lab, "kernel", ["--datapath=kernel"], cancel);
        var driver = await FromContainerAsync();
        Say("container to container, kernel vxlan", driver);
        await RestartAsync(lab, LabSpec.BpfDatapath, [], cancel);
        var lanes = await FromContainerAsync();
        Say("container to container, eBPF lanes", lanes);
        screen.Good(string.Create(CultureInfo.InvariantCulture, $"lanes : kernel vxlan = {lanes.BitsPerSecond / driver.BitsPerSecond:0.00}    (make bench-datapath measures it properly)"));
        foreach (var node in (LabNode[])[host, peer])
        {
            var taken = (await node.StatusAsync(cancel))["lanes"]!.AsArray().Select(lane => $"lane {lane!["lane"]} {lane["taken"]}");
            screen.Block($"packets carried on {node.Namespace}: {string.Join(", ", taken)}");
        }

        Task<IperfResult> FromContainerAsync() => lab.Pod(1, 1).IperfAsync(lab.Pod(2, 1), lab.Pod(2, 1).Address, MeasuringTime, cancel: cancel);

        void Say(string what, IperfResult result) => screen.Block(string.Create(CultureInfo.InvariantCulture, $"{what,-38} {result.BitsPerSecond / 1e9,6:0.0} Gb/s"));
    }

    private static async Task RestartAsync(NetworkLab lab, string datapath, string[] flags, CancellationToken cancel) =>
        await lab.EachNodeAsync(
            async (node, token) =>
            {
                await node.StopAgentAsync();
                node.StartAgent(flags);
                await node.WaitReadyAsync(cancel: token);
                await node.WaitAgentAsync(
                    $"the datapath {datapath}, with peers that etcd has confirmed",
                    async () => await node.StatusAsync(token) is var status && (string?)status["datapath"] == datapath && !(bool)status["provisional"]!, cancel: token);
            },
            cancel);

    private async Task ShowDatapathAsync(NetworkLab lab, CancellationToken cancel)
    {
        if ((string?)(await lab.Node(1).StatusAsync(cancel))["datapath"] != LabSpec.BpfDatapath)
            return;
        screen.Title("The map of subnets that the eBPF lanes of one node read");
        var node = lab.Nodes[0];
        var map = Directory.EnumerateFiles(node.BpfDirectory, "subnets", SearchOption.AllDirectories).Single();
        string[] dump = ["bpftool", "map", "dump", "pinned", map];
        screen.Command(string.Join(' ', dump));
        screen.Block((await node.ExecAsync(dump, stdin: null, limit: null, cancel)).OrThrow().Stdout);
    }

    private async Task ShowStatusAsync(NetworkLab lab, CancellationToken cancel)
    {
        screen.Title("What the agents say");
        foreach (var node in lab.Nodes)
        {
            screen.Command($"accelerated status --run-dir={node.RunDirectory}");
            screen.Block((await node.ShowStatusAsync(cancel)).OrThrow().Stdout);
        }
    }
}
