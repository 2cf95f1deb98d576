using System.Net;
using Accelerated.Agent.Etcd;
using Accelerated.Agent.Leases;
using Accelerated.Agent.State;
using SubnetKey = Accelerated.Agent.State.SubnetKey;

namespace Accelerated.Agent.Tests.Leases;

/// <summary>
/// A small network in a real etcd, nodes of ours and of flannel that come, stay, restart and go in an order that is drawn, and an operator who
/// reserves and frees subnets among them. After each call to etcd the store is compared with what it was before: who moved did it.
/// </summary>
internal sealed class AllocationRound
{
    private const string Stranger = "192.0.2.200";

    private readonly LeaseRig _rig;
    private readonly Random _random;
    private readonly Turns _turns;
    private readonly ObservedClient _etcd;
    private readonly List<OurNode> _ours = [];
    private readonly List<FlannelNode> _flannels = [];
    private readonly bool _isDisturbed;

    // What stood in etcd after each turn, by name.
    private readonly List<Dictionary<string, Entry>> _history = [[]];

    internal AllocationRound(LeaseRig rig, Random random)
    {
        (_rig, _random) = (rig, random);
        _etcd = rig.NewClient();
        _turns = new Turns(random, LookAsync);
        // In half of the rounds subnets are taken away from nodes, and flannel, which puts without looking, may then put over another's lease.
        _isDisturbed = random.Percent(50);
    }

    /// <summary>How often a node of ours was told that the network is full, got a subnet, and had to look anew because another was faster.</summary>
    internal (int Full, int Acquired, int Races) Count => (_ours.Sum(n => n.Refusals), _ours.Sum(n => n.Acquisitions), _ours.Sum(n => n.Races));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>A plan of four to fourteen subnets, now and then of more than the hundred that are looked at.</summary>
    internal static AddressPlan NewPlan(Random random)
    {
        var length = random.Next(24, 29);
        var size = (UInt128)1 << (32 - length);
        var network = IPNetwork.Parse("10.5.0.0/16");
        var first = IPMath.ToNumber(network.BaseAddress) + ((UInt128)random.Next(1, 20) * size);
        var count = random.Percent(10) ? random.Next(101, 120) : random.Next(4, 15);
        return new AddressPlan(network, IPMath.ToAddress(first, network), IPMath.ToAddress(first + ((UInt128)(count - 1) * size), network), length);
    }

    internal async Task RunAsync()
    {
        var (ours, flannels) = (_random.Next(1, 6), _random.Next(0, 5));
        for (var i = 1; i <= ours; i++)
            _ours.Add(new OurNode(_rig, $"192.0.2.{i}", new Random(_random.Next()), _turns));
        for (var i = 1; i <= flannels; i++)
            _flannels.Add(NewFlannel($"192.0.2.{100 + i}"));
        await PrepareAsync();

        await _turns.RunAsync([.. _ours.Select(n => (Func<Task>)(() => LiveAsync(n))), .. _flannels.Select(f => (Func<Task>)(() => LiveAsync(f))), OperateAsync]);

        // The dust settles: each looks once more, and by then there is nothing left that changes.
        foreach (var node in _ours)
        {
            node.Hurry();
            await LookAfterAsync(node);
            await LookAsync(node.PublicIP);
        }

        await CheckEndAsync();
    }

    private FlannelNode NewFlannel(string publicIP)
    {
        var client = _rig.NewClient();
        client.BeforeEach = () => _turns.TakeAsync(publicIP);
        return new FlannelNode(publicIP, _rig.Plan, _rig.Prefix, client, new Random(_random.Next()));
    }

    /// <summary>What was there before: reservations, leases of strangers, of another length too, keys that mean nothing, and what nodes had.</summary>
    private async Task PrepareAsync()
    {
        foreach (var subnet in FlannelNode.Subnets(_rig.Plan).Where(_ => _random.Percent(20)).ToList())
        {
            var owner = _random.Percent(50) ? Stranger : _random.Pick(Everyone());
            // flannel knows nothing of keys whose value it cannot read, and tries them in vain.
            var value = _flannels.Count == 0 && _random.Percent(20) ? "poison" : LeaseRig.Value(owner, "02:00:00:00:02:01");
            await PutAsync(new SubnetKey(subnet, null).ToString(), value, _random.Percent(50));
        }

        if (_random.Percent(30) && Free().Select(s => IPMath.Mask(s.BaseAddress, _rig.Plan.SubnetLength - 1)).FirstOrDefault(IsFree) is { PrefixLength: > 0 } wide)
            await PutAsync(new SubnetKey(wide, null).ToString(), LeaseRig.Value(Stranger), true);
        if (_random.Percent(30))
            await PutAsync("10.6.1.0-24", LeaseRig.Value(_random.Pick(Everyone()), "02:00:00:00:02:02"), false);

        // Of subnet.env flannel only asks whether that very key is there.
        foreach (var flannel in _flannels.Where(_ => _random.Percent(30) && Free().Any()))
            flannel.SubnetFile = _random.Pick(Free().ToList());
        foreach (var node in _ours.Where(_ => _random.Percent(30)))
            node.Previous = _random.Pick(FlannelNode.Subnets(_rig.Plan).ToList());
    }

    private List<string> Everyone() => [.. _ours.Select(n => n.PublicIP), .. _flannels.Select(f => f.PublicIP)];

    private async Task LiveAsync(OurNode node)
    {
        for (var steps = node.Random.Next(1, 8); steps > 0; steps--)
        {
            if (node.Held is null || node.Random.Percent(30))
                await AcquireAsync(node);
            else
                await LookAfterAsync(node);
        }
    }

    private async Task LiveAsync(FlannelNode flannel)
    {
        for (var steps = _random.Next(1, 8); steps > 0; steps--)
        {
            if (flannel.Held is null || _random.Percent(30))
                await flannel.StartAsync(Ct);
            else
                await flannel.RenewAsync(Ct);
        }
    }

    /// <summary>An operator, who reserves what is free; and in some rounds one who deletes keys, and time, which ends etcd leases.</summary>
    private async Task OperateAsync()
    {
        for (var steps = _random.Next(0, 12); steps > 0; steps--)
        {
            await _turns.TakeAsync("operator");
            if (_isDisturbed && _random.Percent(70) && _history[^1].Count > 0)
            {
                var (name, entry) = _random.Pick(_history[^1].ToList());
                if (entry.EtcdLease != 0 && _random.Percent(50))
                    await _etcd.RevokeAsync(entry.EtcdLease, Ct);
                else
                    await _etcd.DeleteAsync(_rig.Key(name), Ct);
            }
            else if (Free().Any())
            {
                await _etcd.PutAsync(_rig.Key(new SubnetKey(_random.Pick(Free().ToList()), null).ToString()), LeaseRig.Value(_random.Percent(50) ? Stranger : _random.Pick(Everyone())), 0, Ct);
            }
        }
    }

    /// <summary>As a start of the agent does.</summary>
    private async Task AcquireAsync(OurNode node)
    {
        var written = node.Held?.EtcdLease ?? 0;
        var vni = node.Random.Percent(20) ? 2u : 1u;
        await AcquireAsync(node, _rig.Request(node.PublicIP, (node.Held?.Key.IPv4 ?? node.Previous)?.ToString(), vni) with
        {
            IsOurs = lease => written != 0 && lease.EtcdLease == written,
        });
    }

    private async Task AcquireAsync(OurNode node, AcquireRequest request)
    {
        var began = _history.Count - 1;
        var calls = node.Client.Calls(nameof(IEtcdClient.ListAsync));
        try
        {
            node.Held = (await node.Store.AcquireAsync(request, Ct)).Lease;
            node.Acquisitions++;
        }
        catch (NetworkFullException)
        {
            node.Held = null;
            node.Refusals++;
            Assert.True(
                _history.Skip(began).Any(state => FlannelNode.Subnets(_rig.Plan).All(s => !IsFree(s, state.Where(e => e.Value.PublicIP != node.PublicIP).Select(e => e.Key)))),
                $"{node.PublicIP} was told that the network is full, and it was not");
        }

        node.Races += node.Client.Calls(nameof(IEtcdClient.ListAsync)) - calls - 1;
    }

    /// <summary>As the keeper does when a view is in, or when it is time to renew.</summary>
    private async Task LookAfterAsync(OurNode node)
    {
        if (node.Held is not { } mine)
        {
            await AcquireAsync(node);
            return;
        }

        var seen = (await node.Store.ListAsync(Ct)).Leases.GetValueOrDefault(mine.Key.ToString());
        if (seen is not null && seen.Attributes == mine.Attributes && seen.EtcdLease == mine.EtcdLease
            && (mine.EtcdLease == 0 || await node.Store.KeepAliveAsync(mine, Ct) is not null))
        {
            return;
        }

        var other = seen is not null && Equals(seen.Attributes.PublicIP, mine.Attributes.PublicIP) ? seen : null;
        await AcquireAsync(node, _rig.Request(node.PublicIP, mine.Key.IPv4.ToString()) with
        {
            Attributes = _ => mine.Attributes,
            IsOurs = lease => other is null || lease.EtcdLease == mine.EtcdLease,
        });
    }

    /// <summary>Compares the store with what it was before the turn of <paramref name="who"/>.</summary>
    private async Task LookAsync(string who)
    {
        var (before, now) = (_history[^1], await ReadAsync());
        _history.Add(now);
        AssertDisjoint(now.Keys);
        if (who == "operator")
            return;
        foreach (var (name, entry) in now)
        {
            var old = before.GetValueOrDefault(name);
            if (old == entry)
                continue;
            Assert.True(entry.PublicIP == who, $"{who} wrote {name} for {entry.PublicIP}");
            Assert.True(old is null || old.PublicIP == who || (_isDisturbed && IsFlannel(who)), $"{who} took {name} from {old?.PublicIP}");
            Assert.True(old is null or { EtcdLease: not 0 } || entry.EtcdLease == 0 || IsFlannel(who), $"{who} made a lease of its reservation {name}");
        }

        foreach (var (name, old) in before.Where(e => !now.ContainsKey(e.Key)))
        {
            Assert.True(old.PublicIP == who, $"{who} removed {name} of {old.PublicIP}");
            Assert.False(SubnetKey.TryParse(name, out var key) && _rig.Plan.Fits(key.IPv4), $"{who} gave up {name}, which it may keep");
        }
    }

    private async Task CheckEndAsync()
    {
        var now = _history[^1];
        foreach (var node in _ours.Where(n => n.Held is not null))
        {
            var held = node.Held!;
            Assert.Equal(new Entry(held.Attributes.ToJson(), held.EtcdLease, held.ModRevision), now.GetValueOrDefault(held.Key.ToString()));
            Assert.True(_rig.Plan.Fits(held.Key.IPv4));
            Assert.True(held.EtcdLease == 0 || await _etcd.TimeToLiveAsync(held.EtcdLease, Ct) is not null, $"{held.Key} hangs on nothing");
        }

        // Where nobody took anything away, each holds what it was given; flannel too.
        foreach (var flannel in _flannels.Where(f => !_isDisturbed && f.Held is not null))
            Assert.Equal(flannel.PublicIP, now.GetValueOrDefault(new SubnetKey(flannel.Held!.Value, null).ToString())?.PublicIP);
        AssertDisjoint(_ours.Where(n => n.Held is not null).Select(n => n.Held!.Key.ToString()));
    }

    private bool IsFlannel(string who) => _flannels.Exists(f => f.PublicIP == who);

    private IEnumerable<IPNetwork> Free() => FlannelNode.Subnets(_rig.Plan).Where(IsFree);

    private bool IsFree(IPNetwork subnet) => IsFree(subnet, _history[^1].Keys);

    private static bool IsFree(IPNetwork subnet, IEnumerable<string> names) =>
        names.All(n => !SubnetKey.TryParse(n, out var key) || !IPMath.Overlap(key.IPv4, subnet));

    private static void AssertDisjoint(IEnumerable<string> names)
    {
        var subnets = names.Select(n => SubnetKey.TryParse(n, out var key) ? key.IPv4 : default).Where(s => s.PrefixLength > 0)
            .OrderBy(s => IPMath.ToNumber(s.BaseAddress)).ToList();
        for (var i = 1; i < subnets.Count; i++)
            Assert.False(IPMath.Overlap(subnets[i - 1], subnets[i]), $"{subnets[i - 1]} and {subnets[i]} are both leased");
    }

    private async Task PutAsync(string name, string value, bool isReservation)
    {
        var lease = isReservation ? 0 : (await _etcd.GrantAsync(LeaseRig.Ttl, Ct)).Id;
        await _etcd.PutAsync(_rig.Key(name), value, lease, Ct);
        _history[^1] = await ReadAsync();
    }

    private async Task<Dictionary<string, Entry>> ReadAsync()
    {
        var prefix = _rig.Key("");
        return (await _etcd.ListAsync(prefix, Ct)).Entries.ToDictionary(
            e => e.Key[prefix.Length..], e => new Entry(e.Value, e.EtcdLease, e.ModRevision), StringComparer.Ordinal);
    }

    private sealed record Entry(string Value, long EtcdLease, long ModRevision)
    {
        internal string? PublicIP => SubnetAttributes.TryParse(Value, out var attributes, out _) ? attributes.PublicIP?.ToString() : null;
    }

    /// <summary>A node of ours: the store, by a client whose calls wait for their turns.</summary>
    private sealed class OurNode
    {
        internal OurNode(LeaseRig rig, string publicIP, Random random, Turns turns)
        {
            (PublicIP, Random, Client) = (publicIP, random, rig.NewClient());
            Client.BeforeEach = () => turns.TakeAsync(publicIP);
            Store = new SubnetLeaseStore(Client, rig.Prefix, LeaseRig.Ttl, random);
        }

        internal string PublicIP { get; }

        internal Random Random { get; }

        internal ObservedClient Client { get; }

        internal SubnetLeaseStore Store { get; }

        internal SubnetLease? Held { get; set; }

        internal IPNetwork? Previous { get; set; }

        internal int Refusals { get; set; }

        internal int Acquisitions { get; set; }

        internal int Races { get; set; }

        /// <summary>From here on nobody else moves.</summary>
        internal void Hurry() => Client.BeforeEach = null;
    }
}
