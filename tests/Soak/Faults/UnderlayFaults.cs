using System.Net;
using Accelerated.Lab;

namespace Accelerated.Soak.Faults;

/// <summary>The interface below the overlay changes.</summary>
internal abstract class UnderlayFault(SoakLab lab, LabNode node) : Fault(lab, node)
{
    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(4);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Claims => [Part("underlay", Node!)];
}

/// <summary>It gets a smaller MTU. Echo requests are small.</summary>
internal sealed class UnderlayMtuChanged(SoakLab lab, LabNode node) : UnderlayFault(lab, node)
{
    /// <inheritdoc/>
    public override string Name => "underlay MTU changed";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => [@"^reconcile: Backend\.MTU \d+ in the config is more than the \d+ of eth0"];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        var mtu = random.Next(1320, 1480);
        await Node!.RunAsync("ip", "link", "set", "eth0", "mtu", $"{mtu}");
        return $"MTU {mtu}";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => Node!.RunAsync("ip", "link", "set", "eth0", "mtu", "1500");
}

/// <summary>It goes down.</summary>
internal sealed class UnderlayDown(SoakLab lab, LabNode node) : UnderlayFault(lab, node)
{
    /// <inheritdoc/>
    public override string Name => "underlay down";

    /// <inheritdoc/>
    public override Loss Loss => Loss.WhileItLasts;

    /// <inheritdoc/>
    public override bool CutsEtcd => true;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => [@"^leases: .*; trying again until it answers", @"^reconcile: .*eth0"];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await Node!.RunAsync("ip", "link", "set", "eth0", "down");
        return "eth0 down";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => Node!.RunAsync("ip", "link", "set", "eth0", "up");
}

/// <summary>The node's address changes, and back. Each time the others have to be told.</summary>
internal sealed class AddressChanged(SoakLab lab, LabNode node) : UnderlayFault(lab, node)
{
    private IPAddress Moved => IPAddress.Parse($"192.0.2.{100 + Node!.Number}");

    /// <inheritdoc/>
    public override string Name => "address changed";

    /// <inheritdoc/>
    public override Loss Loss => Loss.WhileItLasts;

    /// <inheritdoc/>
    public override bool CutsEtcd => true;

    /// <inheritdoc/>
    public override bool IsToldThroughEtcd => true;

    /// <inheritdoc/>
    public override TimeSpan Longest => TimeSpan.FromSeconds(6);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Explains => [@"^leases: .*; trying again until it answers", "^reconcile: --iface=eth0: eth0 has no usable IPv4 address"];

    /// <inheritdoc/>
    public override async Task<string> DoAsync(Random random, CancellationToken cancel)
    {
        await SwapAsync(Node!.Address, Moved);
        return $"{Moved}";
    }

    /// <inheritdoc/>
    public override Task UndoAsync(CancellationToken cancel) => SwapAsync(Moved, Node!.Address);

    private Task<string> SwapAsync(IPAddress from, IPAddress to) =>
        Node!.RunAsync("sh", "-ec", $"ip address del {from}/24 dev eth0; ip address add {to}/24 brd + dev eth0");
}
