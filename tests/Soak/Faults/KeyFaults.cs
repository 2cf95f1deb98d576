using Accelerated.Lab;

namespace Accelerated.Soak.Faults;

/// <summary>
/// Somebody takes a node's lease away. Whoever hears of that cannot tell it from a node that has left, so it costs packets until the node
/// has written it again and the others have heard.
/// </summary>
internal abstract class OwnLeaseTaken(SoakLab lab, LabNode node) : Fault(lab, node)
{
    /// <inheritdoc/>
    public override Loss Loss => Loss.UntilRepaired;

    /// <inheritdoc/>
    public override bool IsToldThroughEtcd => true;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [SoakLab.EtcdClaim, Part("lease", Node!)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => [@"^leases: our lease on .* is gone from etcd or was changed by someone else"];
}

/// <summary>The key is deleted.</summary>
internal sealed class OwnLeaseDeleted(SoakLab lab, LabNode node) : OwnLeaseTaken(lab, node)
{
    /// <inheritdoc/>
    public override string Name => "own lease deleted";

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        var key = await SoakLab.KeyOfAsync(Node!, cancel);
        await Soak.Lab.Etcd.CtlAsync("del", key);
        return key;
    }
}

/// <summary>The etcd lease is revoked, and the key goes with it.</summary>
internal sealed class OwnLeaseRevoked(SoakLab lab, LabNode node) : OwnLeaseTaken(lab, node)
{
    /// <inheritdoc/>
    public override string Name => "own lease revoked";

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        var key = await SoakLab.KeyOfAsync(Node!, cancel);
        var own = (await Soak.Lab.Etcd.ListAsync(cancel: cancel)).SingleOrDefault(k => k.Key == key);
        if (own is not { LeaseId: not 0 })
            return "it has none at the moment";
        await Soak.Lab.Etcd.CtlAsync("lease", "revoke", $"{own.LeaseId:x}");
        return $"{own.LeaseId:x}";
    }
}

/// <summary>
/// The key says another VTEP MAC. Twice within an hour is a dispute between two nodes, in which the agent stops writing, so a run does it
/// once to a node.
/// </summary>
internal sealed class OwnLeaseOverwritten(SoakLab lab, LabNode node) : OwnLeaseTaken(lab, node)
{
    /// <inheritdoc/>
    public override string Name => "own lease overwritten";

    /// <inheritdoc/>
    public override bool IsRare => true;

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        var value = SoakLab.LeaseValue(Node!.Address.ToString(), $"02:00:00:00:03:{random.Next(10, 99)}");
        // Without a TTL it would be a reservation, and stay one.
        var key = await SoakLab.KeyOfAsync(Node, cancel);
        var held = (await Soak.Lab.Etcd.ListAsync(cancel: cancel)).Any(k => k.Key == key && k.LeaseId != 0);
        if (!held)
            return "it has none at the moment";
        await Soak.Lab.Etcd.CtlAsync(["put", "--ignore-lease", key], value, cancel);
        return value;
    }
}

/// <summary>Keys that cannot be used, or must not be believed.</summary>
internal sealed class PoisonKeys(SoakLab lab) : Fault(lab, node: null)
{
    private static readonly (string Subnet, string Value)[] Poison =
    [
        ("10.5.240.0-24", "{"),
        ("10.5.241.0-24", "[]"),
        ("10.5.242.0-24", """{"PublicIP":"300.1.1.1"}"""),
        ("10.5.243.0-24", SoakLab.LeaseValue("192.0.2.13", "01:00:5e:00:00:01")), // multicast
        ("10.5.244.0-24", SoakLab.LeaseValue("224.0.0.1", "02:00:00:00:01:18")),
        ("10.5.245.7-24", SoakLab.LeaseValue("192.0.2.14", "02:00:00:00:01:19")), // host bits
        ("10.99.1.0-24", SoakLab.LeaseValue("192.0.2.15", "02:00:00:00:01:20")), // outside of the network
        ("192.0.2.0-24", SoakLab.LeaseValue("192.0.2.16", "02:00:00:00:01:21")), // the underlay
        ("nonsense", "nonsense"),
    ];

    /// <inheritdoc/>
    public override string Name => "poison keys";

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(4);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [SoakLab.EtcdClaim];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => ["^reconcile: peer .* is left out: "];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        foreach (var (subnet, value) in Poison)
            await Soak.Lab.Etcd.CtlAsync(["put", SoakLab.KeyOf(subnet)], value, cancel);
        return $"{Poison.Length} keys";
    }

    /// <inheritdoc/>
    public override async Task UndoAsync(CancellationToken cancel)
    {
        foreach (var (subnet, _) in Poison)
            await Soak.Lab.Etcd.CtlAsync("del", SoakLab.KeyOf(subnet));
    }
}

/// <summary>Two hundred nodes join at once, and leave.</summary>
internal sealed class Strangers(SoakLab lab) : Fault(lab, node: null)
{
    private const int Count = 200;
    private const int FirstSubnet = 32;

    // etcd takes 128 operations in a transaction.
    private const int Batch = 100;

    /// <inheritdoc/>
    public override string Name => "two hundred strangers";

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(4);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [SoakLab.EtcdClaim];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await TransactAsync(n => $"put {Key(n)} {SoakLab.LeaseValue($"198.18.0.{n}", $"02:00:00:00:02:{n:x2}")}", cancel);
        return $"{Count} keys";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => TransactAsync(n => $"del {Key(n)}", cancel);

    private static string Key(int stranger) => SoakLab.KeyOf($"10.5.{FirstSubnet + stranger}.0-24");

    private async Task TransactAsync(Func<int, string> operation, CancellationToken cancel)
    {
        // etcdctl reads comparisons, what to do then and what to do else, each ended by an empty line. A word without blanks needs no quotes.
        foreach (var some in Enumerable.Range(1, Count).Chunk(Batch))
            await Soak.Lab.Etcd.CtlAsync(["txn"], $"\n{string.Join('\n', some.Select(operation))}\n\n\n", cancel);
    }
}

/// <summary>The network configuration says another MTU for a while.</summary>
internal sealed class ConfigChanged(SoakLab lab) : Fault(lab, node: null)
{
    /// <inheritdoc/>
    public override string Name => "config changed";

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(4);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [SoakLab.EtcdClaim];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await Soak.Lab.Etcd.PutConfigAsync(SoakLab.NarrowConfig, cancel);
        return "MTU 1400";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => Soak.Lab.Etcd.PutConfigAsync(SoakLab.Config, cancel);
}
