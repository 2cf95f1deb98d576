using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Leases;
using Accelerated.Agent.Node;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent;

/// <summary>The etcd side: waits for the config, acquires the node's subnet, then keeps it and follows the other nodes'.</summary>
public sealed partial class ControlPlane(
    AgentOptions options, SubnetLeaseStore leases, EtcdSession session, LeaseRegistry registry, OwnSubnetKeeper keeper, ConfigFollower follower, InputStore store,
    SubnetFile subnetFile, StateFile stateFile, TimeProvider time, ILogger<ControlPlane> log)
{
    private const string NoConfig = "no-config";
    private static readonly TimeSpan ConfigPause = TimeSpan.FromSeconds(1);

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="AgentFaultException">Something an operator has to put right first.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        // A socket of its own: the reconcile loop's is not for sharing between threads.
        using var routes = RouteSocket.Open();
        var node = UnderlaySelector.Select(options.Underlay, routes);
        var publicIP = options.PublicIP(node);
        store.Changed += session.ObserveHost;
        store.Update(i => i with { PublicIP = publicIP });
        var (restored, givenUp) = Restore(node, publicIP);
        var written = restored?.EtcdLease ?? 0;
        var config = await WaitForConfigAsync(cancellation).ConfigureAwait(false);
        var plan = CheckedPlan(config, node);
        if (config.Backend.IsAssumed)
            await RefuseBesideUdpAsync(cancellation).ConfigureAwait(false);
        var request = new AcquireRequest(plan, publicIP, restored?.Key.IPv4 ?? PreviousSubnet(), leased => Attributes(config.Backend, store.Current.PublicIP!, leased, routes))
        {
            IsOurs = lease => IsOurs(lease, written, config.Backend, routes),
            Held = restored,
            GivenUp = givenUp,
        };
        var acquired = await AcquireAsync(request, cancellation).ConfigureAwait(false);
        registry.Changed += keeper.Observe;
        store.Changed += keeper.ObserveHost;
        store.Update(i => i with { Config = config });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await TaskGroup.RunAsync(stop, registry.RunAsync(stop.Token), keeper.KeepAsync(acquired, request, stop.Token), follower.RunAsync(stop.Token)).ConfigureAwait(false);
    }

    /// <summary>
    /// Goes on where the last run ended, so that a node that boots while etcd is away carries packets. All of it is provisional
    /// until etcd confirms it. A subnet that turned out to be another node's is not gone on with.
    /// </summary>
    private (SubnetLease? Held, SubnetLease? GivenUp) Restore(NodeFacts node, IPAddress publicIP)
    {
        try
        {
            if (stateFile.Load()?.ToInputs(store.Current, options.EtcdPrefix, publicIP, MachineIdentity.Of(node.LinkAddress)) is not { Own: { } own } restored)
                return default;
            if (!own.IsKeptAs(publicIP, time.GetUtcNow()))
                return (null, own.Lease);
            LogRestored(own.Lease.Key, restored.Leases.Leases.Count, stateFile.FilePath);
            store.Update(i => i with { Config = restored.Config, Own = own, Leases = restored.Leases });
            return (own.Lease, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or NetworkConfigException)
        {
            LogNotRestored(stateFile.FilePath, e.Message);
            return default;
        }
    }

    private async Task<NetworkConfig> WaitForConfigAsync(CancellationToken cancellation)
    {
        for (; ; )
        {
            var range = await session.RunAsync(c => c.GetAsync(leases.ConfigKey, cancellation), cancellation).ConfigureAwait(false);
            if (range.Entries.Count > 0)
            {
                store.Resolve(NoConfig);
                return Parse(range.Entries[0].Value);
            }

            if (!store.Current.Problems.ContainsKey(NoConfig))
            {
                LogNoConfig(leases.ConfigKey, NetworkConfigParser.Example);
                store.Report(new Problem(ProblemSeverity.Critical, NoConfig, $"etcd has no key {leases.ConfigKey} (keys of the old v2 API are invisible here)",
                    $"etcdctl put {leases.ConfigKey} '{NetworkConfigParser.Example}', or name another --etcd-prefix"));
            }

            await Task.Delay(ConfigPause, time, cancellation).ConfigureAwait(false);
        }
    }

    private NetworkConfig Parse(string json)
    {
        try
        {
            var config = NetworkConfigParser.Parse(json);
            follower.Remark(config);
            return config;
        }
        catch (NetworkConfigException e)
        {
            throw new AgentFaultException($"the network config in etcd ({leases.ConfigKey}) is wrong: {e.Message}. Correct it with etcdctl put {leases.ConfigKey} '…' and start again", e);
        }
    }

    /// <summary>Without a Backend flannel's code runs udp, whose leases have no BackendType: the two do not understand each other.</summary>
    private async Task RefuseBesideUdpAsync(CancellationToken cancellation)
    {
        var view = await session.RunAsync(_ => leases.ListAsync(cancellation), cancellation).ConfigureAwait(false);
        if (view.Leases.Values.FirstOrDefault(l => l.Attributes.BackendType.Length == 0) is { } udp)
        {
            throw new AgentFaultException(
                $"Backend is missing in {leases.ConfigKey}, and {leases.SubnetsPrefix}{udp.Key} ({udp.Attributes.PublicIP}) is the lease of a node that runs udp, as flannel does then: this agent does not speak it. Write \"Backend\":{{\"Type\":\"vxlan\"}} into the config and restart flannel there, or delete the key if that node is gone");
        }
    }

    private AddressPlan CheckedPlan(NetworkConfig config, NodeFacts node)
    {
        if (config.IPv6 is not null || config.IPv4 is not { } plan)
            throw new AgentFaultException($"EnableIPv6 in {leases.ConfigKey}: IPv6 is not in this version. Remove the key, or keep flannel on this node");
        if (config.Backend.Type is not (BackendConfig.Vxlan or BackendConfig.HostGw))
            throw new AgentFaultException($"Backend.Type \"{config.Backend.Type}\" in {leases.ConfigKey} is not one that this agent speaks: use \"vxlan\" or \"host-gw\", or keep flannel on this node");
        return DesiredStateBuilder.ObstacleToAddress(config, node, options.PublicIP(node)) is { } obstacle ? throw new AgentFaultException($"{obstacle} ({leases.ConfigKey})") : plan;
    }

    private IPNetwork? PreviousSubnet()
    {
        try
        {
            return subnetFile.Read() is { } text ? SubnetEnvironment.FindPreviousSubnet(text) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The subnet is only a wish; not being able to write the file is reported when it comes to that.
            LogNoPrevious(options.SubnetFile, e.Message);
            return null;
        }
    }

    private SubnetAttributes Attributes(BackendConfig backend, IPAddress publicIP, SubnetAttributes? leased, RouteSocket routes)
    {
        if (backend.Type == BackendConfig.HostGw)
            return new SubnetAttributes(publicIP, null, BackendConfig.HostGw, null, null);
        var device = routes.FindLink(DesiredStateBuilder.DeviceName(AddressFamily.InterNetwork, backend.Vni));
        var derived = VtepMac.Derive(options.EtcdPrefix, publicIP, backend.Vni, AddressFamily.InterNetwork);
        var mac = VtepMac.Choose(leased?.Vtep?.Mac, device?.Vxlan is null ? null : device.Address, derived);
        // Until the datapath knows, a node that had to fall back stays where it was: its peers would otherwise change twice. It keeps its
        // VTEP in the lease, so that peers go on taking what it encapsulates while it climbs back.
        var before = leased is { BackendType: BackendConfig.HostGw, UnderstandsHostGw: true } ? BackendConfig.HostGw : BackendConfig.Vxlan;
        return new SubnetAttributes(publicIP, null, store.Current.Transport ?? before, new VtepData(backend.Vni, mac), null, UnderstandsHostGw: true);
    }

    /// <summary>
    /// Whether this node wrote a lease: it hangs on the etcd lease that the last run had; without such a run, the VTEP here has the MAC
    /// address in it, as where flannel ran until now.
    /// </summary>
    private static bool IsOurs(SubnetLease lease, long written, BackendConfig backend, RouteSocket routes) => written != 0
        ? lease.EtcdLease == written
        : routes.FindLink(DesiredStateBuilder.DeviceName(AddressFamily.InterNetwork, backend.Vni)) is { Vxlan: not null, Address: var mac } && mac == lease.Attributes.Vtep?.Mac;

    private async Task<AcquiredSubnet> AcquireAsync(AcquireRequest request, CancellationToken cancellation)
    {
        try
        {
            return await keeper.AcquireAsync(request, cancellation).ConfigureAwait(false);
        }
        catch (NetworkFullException e)
        {
            throw new AgentFaultException($"{e.Message} ({leases.ConfigKey})", e);
        }
    }

    [LoggerMessage(1001, LogLevel.Warning, "waiting for the network config: etcd has no key {Key}. Write one: etcdctl put {Key} '{Example}'")]
    private partial void LogNoConfig(string key, string example);

    [LoggerMessage(1004, LogLevel.Information, "subnet {Subnet} and {Count} leases restored from {Path}: provisional until etcd confirms them")]
    private partial void LogRestored(SubnetKey subnet, int count, string path);

    [LoggerMessage(1005, LogLevel.Warning, "the last run's state in {Path} is not used: {Reason}")]
    private partial void LogNotRestored(string path, string reason);

    [LoggerMessage(1003, LogLevel.Warning, "the previous subnet cannot be read from {Path}: {Error}; going on without")]
    private partial void LogNoPrevious(string path, string error);
}
