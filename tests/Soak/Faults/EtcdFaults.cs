namespace Accelerated.Soak.Faults;

/// <summary>etcd is away. Packets do not depend on it.</summary>
internal abstract class EtcdAway(SoakLab lab) : Fault(lab, node: null)
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [SoakLab.EtcdClaim];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => [@"^leases: .*; trying again until it answers"];

    /// <inheritdoc/>
    public override bool CutsEtcd => true;

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(6);
}

/// <summary>etcd dies and is started again on the data it had.</summary>
internal sealed class EtcdKilled(SoakLab lab) : EtcdAway(lab)
{
    /// <inheritdoc/>
    public override string Name => "etcd killed";

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await Soak.Lab.Etcd.StopAsync("KILL");
        return "kill -9";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => Soak.Lab.Etcd.StartAsync(cancel);
}

/// <summary>etcd hangs: its connections stay, and nothing is answered.</summary>
internal sealed class EtcdHangs(SoakLab lab) : EtcdAway(lab)
{
    /// <inheritdoc/>
    public override string Name => "etcd hangs";

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(12);

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await Soak.Lab.Etcd.PauseAsync();
        return "SIGSTOP";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => Soak.Lab.Etcd.ResumeAsync();
}

/// <summary>What nodes send to etcd is dropped without a word.</summary>
internal sealed class EtcdUnreachable(SoakLab lab) : EtcdAway(lab)
{
    /// <inheritdoc/>
    public override string Name => "etcd unreachable";

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(12);

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await Soak.Lab.Etcd.RunAsync("nft", $$"""
            add table ip cut
            add chain ip cut c { type filter hook input priority 0; }
            add rule ip cut c iifname "eth0" tcp dport 2379 drop
            """);
        return "nft drop";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => Soak.Lab.Etcd.RunAsync("nft", "delete table ip cut");
}

/// <summary>etcd forgets the past, which a watch may still want to hear of.</summary>
internal sealed class EtcdCompacted(SoakLab lab) : Fault(lab, node: null)
{
    /// <inheritdoc/>
    public override string Name => "etcd compacted";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [SoakLab.EtcdClaim];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        // A write first, or there may be nothing to forget.
        await Soak.Lab.Etcd.CtlAsync("put", "/soak/compaction", $"{random.Next()}");
        var revision = (await Soak.Lab.Etcd.ListAsync("/soak/compaction", cancel))[0].ModRevision;
        await Soak.Lab.Etcd.CtlAsync("compact", $"{revision}");
        return $"to revision {revision}";
    }
}
