using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Bus;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Agent.Datapath.Lanes;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Node;

/// <summary>
/// Takes away what the agent has made on a host and gives back what it changed. What cannot be told to be the agent's is named and left
/// alone; a step that fails keeps none of the others from being done.
/// </summary>
/// <param name="options">The flags the agent ran with.</param>
/// <param name="dryRun">Only say what would be done.</param>
/// <param name="keepDevice">Leave the device with its routes, and subnet.env, to a flanneld that runs or will be started.</param>
/// <param name="say">Gets a line for everything that is done or left.</param>
public sealed class HostCleanup(AgentOptions options, bool dryRun, bool keepDevice, Action<string> say)
{
    private readonly List<string> _failures = [];

    /// <summary>Does it all, in an order in which nothing is left unguarded: the tunnel ends before its guard does.</summary>
    /// <returns>What could not be done, each with its reason.</returns>
    public IReadOnlyList<string> Run()
    {
        var state = LoadState();
        Step($"the eBPF lanes pinned in {options.Lanes.PinDirectory}", () => Directory.Exists(options.Lanes.PinDirectory), () => BpfDatapath.Detach(options.Lanes));
        RemoveDevices(state);
        using (var rules = new HostRules(options.Instance))
        {
            using var firewall = new NftablesFirewall(options.Instance, rules, TimeProvider.System);
            var foreign = new ForeignChains(options.Instance, rules, TimeProvider.System);
            Step($"our rules in the chains of iptables (comment \"{rules.Comment}\")", () => foreign.Find().Count > 0, foreign.Remove);
            Step($"the nftables table inet {FirewallRules.TableName(options.Instance)}", firewall.Exists, firewall.Remove);
        }

        var firewalld = new FirewalldRecord(options.StateDirectory, options.Instance);
        Step($"what firewalld was asked for ({firewalld.FilePath})", () => File.Exists(firewalld.FilePath), firewalld.Undo);
        if (!keepDevice)
            Step($"{options.SubnetFile}", () => IsOurs(options.SubnetFile, state), () => File.Delete(options.SubnetFile));
        var kept = options.Lanes.LiberalFile;
        Step($"net.netfilter.nf_conntrack_tcp_be_liberal = 1, which was {(File.Exists(kept) ? File.ReadAllText(kept) : "")} before", () => File.Exists(kept), () => Conntrack.Restore(kept));
        RemoveFiles();
        if (state is not null && !keepDevice)
            say($"left in etcd until it runs out: {state.EtcdPrefix}/subnets/{state.Subnet} (etcdctl del {state.EtcdPrefix}/subnets/{state.Subnet} ends it at once)");
        return _failures;
    }

    private SavedState? LoadState()
    {
        try
        {
            return new StateFile(options.StateDirectory, options.Instance).Load();
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            _failures.Add($"the state file cannot be read, so devices and {options.SubnetFile} are left alone: {e.Message}");
            return null;
        }
    }

    private void RemoveDevices(SavedState? state)
    {
        using var routes = RouteSocket.Open();
        var config = state is null ? null : ConfigOf(state);
        var device = config is { Backend: { Type: BackendConfig.Vxlan } backend } ? DesiredStateBuilder.DeviceName(AddressFamily.InterNetwork, backend.Vni) : null;
        foreach (var link in routes.GetLinks().Where(l => l.Kind == "vxlan" && l.Name.StartsWith("flannel.", StringComparison.Ordinal)))
        {
            // Its routes, neighbours and forwarding entries go with it.
            if (link.Name == device && keepDevice)
                say($"left to flannel: the device {link.Name} with its routes, and {options.SubnetFile}");
            else if (link.Name == device)
                Step($"the device {link.Name}", () => true, () => routes.Execute(RouteRequest.DeleteLink(link.Index, link.Name)));
            else
                say($"left alone: {link.Name} is not known to be of this agent (ip link delete {link.Name} removes it)");
        }

        if (config?.IPv4 is not { } plan)
            return;
        if (!keepDevice)
            RemoveRoutes(routes, plan.Network, device is null ? null : routes.FindLink(device)?.Index);
        else if (device is null)
            say($"left to flannel: routes to other nodes inside {plan.Network}, and {options.SubnetFile}");
    }

    /// <summary>Plain routes to peers are on the underlay interface, and stay when the device goes; a dry run leaves those of the device to it.</summary>
    private void RemoveRoutes(RouteSocket routes, IPNetwork network, int? device)
    {
        var ours = routes.GetRoutes(new RouteFilter(AddressFamily.InterNetwork, Protocol: RouteProtocol.Accelerated))
            .Where(r => !r.IsMultipath && r.InterfaceIndex != device && r.Table == RouteTable.Main && network.Contains(r.Destination))
            .ToList();
        Step($"{ours.Count} routes to other nodes inside {network}", () => ours.Count > 0, () => ours.ForEach(r => routes.Execute(RouteRequest.DeleteRoute(r))));
    }

    private NetworkConfig? ConfigOf(SavedState state)
    {
        try
        {
            return NetworkConfigParser.Parse(state.Config);
        }
        catch (NetworkConfigException e)
        {
            _failures.Add($"the network config of the last run is not valid for this version, so devices and routes are left alone: {e.Message}");
            return null;
        }
    }

    /// <summary>A file that another program wrote over is that program's.</summary>
    private static bool IsOurs(string path, SavedState? state)
    {
        if (state is null || !File.Exists(path) || !SubnetKey.TryParse(state.Subnet, out var key))
            return false;
        return File.ReadLines(path).Contains(string.Create(CultureInfo.InvariantCulture, $"FLANNEL_SUBNET={IPMath.FirstHost(key.IPv4)}/{key.IPv4.PrefixLength}"));
    }

    private void RemoveFiles()
    {
        var compiled = options.Lanes.Objects.CacheDirectory;
        Step(compiled, () => Directory.Exists(compiled), () => Directory.Delete(compiled, recursive: true));
        foreach (var file in (string[])[new StateFile(options.StateDirectory, options.Instance).FilePath, AgentOptions.SocketPath(options.RunDirectory, options.Instance)])
            Step(file, () => File.Exists(file), () => File.Delete(file));
    }

    private void Step(string what, Func<bool> isThere, Action remove)
    {
        try
        {
            if (!isThere())
                return;
            if (!dryRun)
                remove();
            say($"{(dryRun ? "would remove" : "removed")}: {what}");
        }
        catch (Exception e) when (e is NativeException or NetlinkException or NftablesException or NativeLibraryMissingException or IptablesException or IOException or UnauthorizedAccessException)
        {
            _failures.Add($"{what}: {e.Message}");
        }
    }
}
