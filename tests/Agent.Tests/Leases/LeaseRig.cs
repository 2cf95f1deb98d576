using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Leases;
using Accelerated.Agent.State;
using Accelerated.Agent.Tests.Etcd;
using Accelerated.Interop;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>A network in a real etcd, and nodes that want subnets of it.</summary>
internal sealed class LeaseRig(EtcdProcess etcd, AddressPlan plan) : IAsyncDisposable
{
    internal static readonly TimeSpan Ttl = TimeSpan.FromHours(24);

    private readonly List<IAsyncDisposable> _owned = [];

    internal EtcdProcess Etcd => etcd;

    /// <summary>Of this rig alone, so that several can use one etcd.</summary>
    internal string Prefix { get; } = $"/test/{Guid.NewGuid():N}";

    internal AddressPlan Plan => plan;

    internal static AddressPlan NewPlan(string min = "10.5.1.0", string max = "10.5.255.0") =>
        new(IPNetwork.Parse("10.5.0.0/16"), IPAddress.Parse(min), IPAddress.Parse(max), 24);

    internal static string Value(string publicIP, string mac = "02:00:00:00:00:99", uint vni = 1) =>
        new SubnetAttributes(IPAddress.Parse(publicIP), null, "vxlan", new VtepData(vni, MacAddress.Parse(mac)), null).ToJson();

    internal string Key(string name) => $"{Prefix}/subnets/{name}";

    internal ObservedClient NewClient()
    {
        var client = new ObservedClient(etcd.NewClient());
        _owned.Add(client);
        return client;
    }

    internal SubnetLeaseStore NewStore(IEtcdClient client) => new(client, Prefix, Ttl, Random.Shared);

    internal AcquireRequest Request(string publicIP, string? previous = null, uint vni = 1) => new(
        plan, IPAddress.Parse(publicIP), previous is null ? null : IPNetwork.Parse(previous),
        leased => new SubnetAttributes(
            IPAddress.Parse(publicIP), null, "vxlan",
            new VtepData(vni, leased?.Vtep?.Mac ?? VtepMac.Derive(Prefix, IPAddress.Parse(publicIP), vni, AddressFamily.InterNetwork)), null));

    /// <summary>A node whose registry and keeper run.</summary>
    /// <param name="publicIP">Its identity.</param>
    /// <param name="renewMargin">An hour if null.</param>
    /// <param name="isOurs">Whether a lease with its identity is known to be its own.</param>
    /// <param name="held">What an earlier run left written down, if any.</param>
    internal async Task<LeaseNode> StartNodeAsync(string publicIP, TimeSpan? renewMargin = null, bool isOurs = true, SubnetLease? held = null)
    {
        var node = new LeaseNode(this, publicIP, renewMargin ?? TimeSpan.FromHours(1), isOurs);
        _owned.Add(node);
        await node.StartAsync(held);
        return node;
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
            await _owned[i].DisposeAsync();
    }
}
