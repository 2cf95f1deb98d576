using System.Globalization;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath;

namespace Accelerated.Agent.Tests.Cli;

public sealed class DropsCommandTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 21, 9, 12, 44, 123, DateTimeOffset.Now.Offset);
    private static readonly Refusal Packet = new(7, At, "unknown_vtep", true, "198.51.100.66", "eth0", "udp", "10.5.3.2", "10.5.1.2", 142);

    private static string Time => At.ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);

    [Fact]
    public void Render_OfADroppedPacket_SaysWhoSentWhat() => Assert.Equal(
        $"{Time}  dropped: unknown vtep, from 198.51.100.66 on eth0: 10.5.3.2 → 10.5.1.2, udp, 142 bytes", DropsCommand.Render(new(Packet, null)));

    [Fact]
    public void Render_OfWhatWasOnlyObserved_DoesNotCallItDropped() => Assert.Equal(
        $"{Time}  only counted: inner vlan, from 198.51.100.66 on eth0: ethertype 0x8100, 142 bytes",
        DropsCommand.Render(new(Packet with { Dropped = false, Reason = "inner_vlan", Protocol = "ethertype 0x8100", Source = null, Destination = null }, null)));

    [Fact]
    public void Render_OfWhatNftablesRefused_SaysHowMany() => Assert.Equal(
        $"{Time}  12 refused by nftables: not from underlay", DropsCommand.Render(new(null, new(At, "not_from_underlay", 12))));
}
