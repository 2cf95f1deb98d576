using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Leases;

/// <summary>
/// The network's subnet leases in etcd, in flannel's layout. Identity is the PublicIP. Every write is a compare-and-swap, so that a
/// lost race or a second writer is noticed and never overwritten (flannel's are blind: #1289, #805, #1182).
/// </summary>
/// <param name="client">etcd.</param>
/// <param name="prefix"><c>--etcd-prefix</c>, without a trailing slash.</param>
/// <param name="ttl">How long a subnet stays ours without a sign of life.</param>
/// <param name="random">Chooses among free subnets.</param>
public sealed class SubnetLeaseStore(IEtcdClient client, string prefix, TimeSpan ttl, Random random)
{
    /// <summary>How long a subnet stays a node's without a sign of life.</summary>
    public TimeSpan Ttl => ttl;

    /// <summary>Key of the network configuration.</summary>
    public string ConfigKey => prefix + "/config";

    /// <summary>
    /// Prefix of all subnet leases. With the slash, unlike flannel: a role that is granted only this range then suffices.
    /// </summary>
    public string SubnetsPrefix => prefix + "/subnets/";

    /// <summary>All leases at one revision.</summary>
    public async Task<LeaseView> ListAsync(CancellationToken cancellation) =>
        LeaseViewBuilder.FromSnapshot(await client.ListAsync(SubnetsPrefix, cancellation).ConfigureAwait(false), SubnetsPrefix);

    /// <summary>
    /// Makes a subnet the node's own: the lease it has, else the subnet it had, else a free one. Lost races are tried again
    /// without limit, since each one means that another node succeeded.
    /// </summary>
    /// <exception cref="NetworkFullException">No subnet is free.</exception>
    /// <exception cref="EtcdException">etcd failed; calling again is safe and finds what was done.</exception>
    public async Task<AcquiredSubnet> AcquireAsync(AcquireRequest request, CancellationToken cancellation)
    {
        for (; ; )
        {
            var view = await ListAsync(cancellation).ConfigureAwait(false);
            var mine = view.Leases.Values.Where(request.IsMine).ToList();
            var fitting = mine.Where(l => l.Key.IPv6 is null && request.Plan.Fits(l.Key.IPv4))
                .OrderBy(l => l.Key.IPv4.Equals(request.Previous) ? 0 : 1)
                .FirstOrDefault();
            var acquired = fitting is not null
                ? await AdoptAsync(fitting, request, cancellation).ConfigureAwait(false)
                : await CreateAsync(view, mine, request, cancellation).ConfigureAwait(false);
            if (acquired is null)
                continue;
            if (request.GivenUp is { EtcdLease: not 0 } givenUp && givenUp.EtcdLease != acquired.Lease.EtcdLease)
                await client.RevokeAsync(givenUp.EtcdLease, cancellation).ConfigureAwait(false);
            return acquired;
        }
    }

    /// <summary>Tells etcd that the node lives.</summary>
    /// <returns>What is left of the etcd lease from now, or null when it is gone.</returns>
    public Task<TimeSpan?> KeepAliveAsync(SubnetLease lease, CancellationToken cancellation) =>
        client.KeepAliveAsync(lease.EtcdLease, cancellation);

    /// <summary>
    /// Takes over the node's own lease. No write when it already says what it should, so that peers see no event; but where nothing says
    /// that it is this node's, it is written under an etcd lease of our own: the one this node has had for the subnet, if it still lives, since that is the one that is
    /// written down. A reservation has none and stays as it is.
    /// </summary>
    private async Task<AcquiredSubnet?> AdoptAsync(SubnetLease lease, AcquireRequest request, CancellationToken cancellation)
    {
        var (etcdLease, left, granted) = (lease.EtcdLease, (TimeSpan?)null, 0L);
        var isClaim = etcdLease != 0 && !request.IsOurs(lease);
        if (isClaim)
            etcdLease = request.Held is { } held && held.Key == lease.Key && held.EtcdLease != lease.EtcdLease ? held.EtcdLease : 0;
        if (etcdLease != 0)
            left = await client.KeepAliveAsync(etcdLease, cancellation).ConfigureAwait(false);
        if (left is null && lease.EtcdLease != 0)
        {
            // It ended between the listing and now. The key is gone with it, or hangs on nothing after a restore: the
            // compare-and-swap below tells the two apart.
            var grant = await client.GrantAsync(ttl, cancellation).ConfigureAwait(false);
            (etcdLease, left, granted) = (grant.Id, grant.Ttl, grant.Id);
        }

        var attributes = request.Attributes(request.Wrote(lease) ? request.Held!.Attributes : lease.Attributes);
        var kind = etcdLease == 0 ? "reservation" : "lease";
        if (attributes == lease.Attributes && etcdLease == lease.EtcdLease)
            return new AcquiredSubnet(lease, $"own {kind}, unchanged", left);
        var key = SubnetsPrefix + lease.Key;
        var result = await client.TransactAsync(
            [EtcdCompare.ModRevision(key, lease.ModRevision)],
            [EtcdOperation.Put(key, attributes.ToJson(), etcdLease)], [], cancellation).ConfigureAwait(false);
        if (result.Succeeded)
        {
            return new AcquiredSubnet(
                new SubnetLease(lease.Key, attributes, result.Revision, etcdLease), $"own {kind}, {(isClaim ? "claimed by a write" : "value renewed")}", left)
            {
                IsClaim = isClaim || !request.PublicIP.Equals(lease.Attributes.PublicIP),
            };
        }

        if (granted != 0)
            await client.RevokeAsync(granted, cancellation).ConfigureAwait(false);
        return null;
    }

    private async Task<AcquiredSubnet?> CreateAsync(
        LeaseView view, List<SubnetLease> misfits, AcquireRequest request, CancellationToken cancellation)
    {
        foreach (var misfit in misfits)
        {
            var old = SubnetsPrefix + misfit.Key;
            await client.TransactAsync([EtcdCompare.ModRevision(old, misfit.ModRevision)], [EtcdOperation.Delete(old)], [], cancellation)
                .ConfigureAwait(false);
        }

        // A key whose value is broken still says that its subnet is taken.
        var others = view.Leases.Values.Except(misfits).Concat(request.GivenUp is { } givenUp ? [givenUp] : []).ToList();
        var taken = others.Select(l => l.Key)
            .Concat(view.Rejected.Keys.Select(k => SubnetKey.TryParse(k, out var key) ? key : null).OfType<SubnetKey>())
            .Select(k => k.IPv4)
            .ToList();
        var (subnet, how) = Choose(request, taken);
        var grant = await client.GrantAsync(ttl, cancellation).ConfigureAwait(false);
        // With the VTEP MAC that peers know, if this node had a lease before.
        var attributes = request.Attributes(request.Held?.Attributes);
        // The device here may have the address of a lease that was another node's.
        if (attributes.Vtep is { } vtep)
        {
            var macs = others.Select(l => l.Attributes.Vtep?.Mac).ToHashSet();
            for (var attempt = 0; macs.Contains(attributes.Vtep.Mac); attempt++)
                attributes = attributes with { Vtep = vtep with { Mac = VtepMac.Derive(prefix, request.PublicIP, vtep.Vni ?? 1, AddressFamily.InterNetwork, attempt) } };
        }

        var key = new SubnetKey(subnet, null);
        var path = SubnetsPrefix + key;
        var result = await client.TransactAsync(
            [EtcdCompare.Version(path, 0)], [EtcdOperation.Put(path, attributes.ToJson(), grant.Id)], [], cancellation).ConfigureAwait(false);
        if (result.Succeeded)
            return new AcquiredSubnet(new SubnetLease(key, attributes, result.Revision, grant.Id), how, grant.Ttl);
        await client.RevokeAsync(grant.Id, cancellation).ConfigureAwait(false);
        return null;
    }

    private (IPNetwork Subnet, string How) Choose(AcquireRequest request, List<IPNetwork> taken)
    {
        if (request.Previous is { } previous && request.Plan.Fits(previous) && SubnetAllocator.IsFree(previous, taken))
            return (previous, "the previous subnet, leased again");
        return SubnetAllocator.Choose(request.Plan, taken, random) is { } free
            ? (free, "new lease")
            : throw new NetworkFullException(request.Plan);
    }
}
