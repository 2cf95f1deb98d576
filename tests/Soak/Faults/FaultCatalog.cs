namespace Accelerated.Soak.Faults;

/// <summary>All faults of a lab, by kind.</summary>
internal static class FaultCatalog
{
    /// <summary>One list for each kind, with one fault for each node that it can meet.</summary>
    public static IReadOnlyList<IReadOnlyList<Fault>> Of(SoakLab lab)
    {
        var all = lab.Lab.Nodes;
        return
        [
            [new EtcdKilled(lab)],
            [new EtcdHangs(lab)],
            [new EtcdUnreachable(lab)],
            [new EtcdCompacted(lab)],
            [new PoisonKeys(lab)],
            [new Strangers(lab)],
            [new ConfigChanged(lab)],
            [.. all.Select(n => new OwnLeaseDeleted(lab, n))],
            [.. all.Select(n => new OwnLeaseRevoked(lab, n))],
            [.. all.Select(n => new OwnLeaseOverwritten(lab, n))],
            [.. lab.Mortal.Select(n => new AgentKilled(lab, n))],
            [.. lab.Mortal.Select(n => new AgentStopped(lab, n))],
            [.. all.Select(n => new AgentHangs(lab, n))],
            [.. all.Select(n => new DeviceDeleted(lab, n))],
            [.. all.Select(n => new DeviceAddressChanged(lab, n))],
            [.. all.Select(n => new DeviceDown(lab, n))],
            [.. all.Select(n => new DeviceMtuChanged(lab, n))],
            [.. all.Select(n => new RoutesFlushed(lab, n))],
            [.. all.Select(n => new NeighboursFlushed(lab, n))],
            [.. all.Select(n => new FdbFlushed(lab, n))],
            [.. all.Select(n => new RulesFlushed(lab, n))],
            [.. all.Select(n => new TableDeleted(lab, n))],
            [.. lab.WithLanes.Select(n => new PinsRemoved(lab, n))],
            [.. lab.WithLanes.Select(n => new LinksDetached(lab, n))],
            [.. all.Select(n => new SubnetFileRemoved(lab, n))],
            [.. all.Select(n => new UnderlayMtuChanged(lab, n))],
            [.. all.Select(n => new UnderlayDown(lab, n))],
            [.. all.Select(n => new AddressChanged(lab, n))],
        ];
    }
}
