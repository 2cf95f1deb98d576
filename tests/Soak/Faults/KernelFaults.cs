using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Soak.Faults;

/// <summary>Somebody changes what the agent has put into the kernel or onto the disk, and does not change it back.</summary>
internal abstract class Meddling(SoakLab lab, LabNode node, string name, string script, Loss loss) : Fault(lab, node)
{
    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override Loss Loss => loss;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [Part("kernel", Node!)];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => ["^reconcile: repaired what someone else changed: "];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        var said = script.Replace("NN", random.Next(10, 99).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        var result = await Node!.ExecAsync("sh", "-ec", said);
        // With the agent away, an earlier fault may have left nothing to change.
        return result.Succeeded ? said : $"{said} (nothing to change: {result.Stderr.Trim()})";
    }
}

/// <summary>The device is deleted, and with it all that is on it.</summary>
internal sealed class DeviceDeleted(SoakLab lab, LabNode node) : Meddling(lab, node, "device deleted", "ip link del flannel.1", Loss.UntilRepaired);

/// <summary>The device gets another MAC address than the peers know.</summary>
internal sealed class DeviceAddressChanged(SoakLab lab, LabNode node)
    : Meddling(lab, node, "device MAC changed", "ip link set flannel.1 address 02:00:00:00:00:NN", Loss.UntilRepaired);

/// <summary>The device is set down, and the kernel forgets its routes.</summary>
internal sealed class DeviceDown(SoakLab lab, LabNode node) : Meddling(lab, node, "device down", "ip link set flannel.1 down", Loss.UntilRepaired);

/// <summary>The device gets another MTU, which no echo request notices.</summary>
internal sealed class DeviceMtuChanged(SoakLab lab, LabNode node) : Meddling(lab, node, "device MTU changed", "ip link set flannel.1 mtu 13NN", Loss.None);

/// <summary>Routes go.</summary>
internal sealed class RoutesFlushed(SoakLab lab, LabNode node) : Meddling(lab, node, "routes flushed", "ip route flush dev flannel.1", Loss.UntilRepaired);

/// <summary>Neighbours go.</summary>
internal sealed class NeighboursFlushed(SoakLab lab, LabNode node)
    : Meddling(lab, node, "neighbours flushed", "ip neighbour flush dev flannel.1 nud permanent", Loss.UntilRepaired);

/// <summary>FDB entries go.</summary>
internal sealed class FdbFlushed(SoakLab lab, LabNode node)
    : Meddling(
        lab, node, "FDB flushed",
        """bridge fdb show dev flannel.1 | while read -r mac dst peer rest; do bridge fdb del "$mac" dev flannel.1 dst "$peer"; done""", Loss.UntilRepaired);

/// <summary>Somebody reloads a firewall as distributions do it: everything goes first.</summary>
internal sealed class RulesFlushed(SoakLab lab, LabNode node) : Meddling(lab, node, "rules flushed", "nft flush ruleset", Loss.None);

/// <summary>The table is deleted alone.</summary>
internal sealed class TableDeleted(SoakLab lab, LabNode node) : Meddling(lab, node, "table deleted", "nft delete table inet accelerated-default", Loss.None);

/// <summary>What the lanes have pinned is removed; the programs go with it, and the driver carries on.</summary>
internal sealed class PinsRemoved(SoakLab lab, LabNode node) : Meddling(lab, node, "pins removed", $"rm -r {SoakLab.Pins(node)}", Loss.None)
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [Part("lanes", Node!)];
}

/// <summary>Programs are detached; the driver carries on.</summary>
internal sealed class LinksDetached(SoakLab lab, LabNode node)
    : Meddling(lab, node, "links detached", $"for link in {SoakLab.Pins(node)}/*/link_*; do bpftool link detach pinned $link; done", Loss.None)
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [Part("lanes", Node!)];
}

/// <summary>The file for the container runtime is removed.</summary>
internal sealed class SubnetFileRemoved(SoakLab lab, LabNode node) : Meddling(lab, node, "subnet.env removed", $"rm {node.SubnetFile}", Loss.None);
