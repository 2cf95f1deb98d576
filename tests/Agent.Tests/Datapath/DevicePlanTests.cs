using System.Net;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Datapath;

public sealed class DevicePlanTests
{
    private static readonly OverlayDevice Wanted = Overlay.Device();
    private static readonly Link Right = new(
        5, "flannel.1", "vxlan", Wanted.Mac, 1450, true, true, OperState.Unknown,
        Vxlan: new VxlanParameters { Vni = 1, UnderlayIndex = 2, Local = IPAddress.Parse("192.0.2.1") });

    // What differs, the reason to make it anew.
    public static TheoryData<string> FixedProperties =>
        ["VNI", "underlay ifindex", "local address", "no local address", "group", "port", "learning", "GBP", "external", "l2miss"];

    [Fact]
    public void Between_WithoutADevice_CreatesIt()
    {
        var plan = DevicePlan.Between(Wanted, null);

        Assert.Null(plan.Recreate);
        Assert.Equal("create vxlan device flannel.1 (id 1, local 192.0.2.1, dev #2, port 8472)", Assert.Single(plan.Requests).Description);
        var made = LinkMessages.Decode(plan.Requests[0].Payload);
        Assert.Equal((Right.Name, Right.Kind, Right.Address, Right.Mtu, Right.Vxlan), (made.Name, made.Kind, made.Address, made.Mtu, made.Vxlan));
    }

    [Fact]
    public void Between_WithTheRightDevice_DoesNothing()
    {
        var plan = DevicePlan.Between(Wanted, Right);

        Assert.Null(plan.Recreate);
        Assert.Empty(plan.Requests);
    }

    // flannel tolerates these as well.
    [Fact]
    public void Between_WithHarmlessDifferences_DoesNothing()
    {
        var other = Right with { Vxlan = Right.Vxlan! with { Ttl = 64, AgeingSeconds = 1, Proxy = true, SourcePortLow = 1000, SourcePortHigh = 2000 } };

        Assert.Empty(DevicePlan.Between(Wanted, other).Requests);
    }

    [Theory]
    [InlineData("02:00:00:00:00:99", 1450, true, "set link flannel.1 address 02:00:00:00:00:01")]
    [InlineData("02:00:00:00:00:01", 1400, true, "set link flannel.1 mtu 1450")]
    [InlineData("02:00:00:00:00:01", 1450, false, "set link flannel.1 up")]
    [InlineData("02:00:00:00:00:99", 1400, false, "set link flannel.1 address 02:00:00:00:00:01 mtu 1450 up")]
    public void Between_WithWhatCanBeChanged_ChangesItInOneRequest(string mac, int mtu, bool up, string expected)
    {
        var plan = DevicePlan.Between(Wanted, Right with { Address = MacAddress.Parse(mac), Mtu = mtu, IsUp = up });

        Assert.Null(plan.Recreate);
        Assert.Equal([expected], plan.Requests.Select(r => r.Description));
    }

    [Theory]
    [MemberData(nameof(FixedProperties))]
    public void Between_WithWhatCannotBeChanged_MakesTheDeviceAnewAndSaysWhy(string what)
    {
        var v = Right.Vxlan!;
        var (other, reason) = what switch
        {
            "VNI" => (v with { Vni = 9 }, "VNI is 9, not 1"),
            "underlay ifindex" => (v with { UnderlayIndex = 3 }, "underlay ifindex is 3, not 2"),
            "local address" => (v with { Local = IPAddress.Parse("192.0.2.9") }, "local address is 192.0.2.9, not 192.0.2.1"),
            "no local address" => (v with { Local = null }, "local address is none, not 192.0.2.1"),
            "group" => (v with { Group = IPAddress.Parse("239.1.1.1") }, "group is 239.1.1.1, not none"),
            "port" => (v with { Port = 4789 }, "port is 4789, not 8472"),
            "learning" => (v with { Learning = true }, "learning is True, not False"),
            "GBP" => (v with { Gbp = true }, "GBP is True, not False"),
            "external" => (v with { CollectMetadata = true }, "external is True, not False"),
            _ => (v with { L2Miss = true }, "l2miss is True, not False"),
        };

        var plan = DevicePlan.Between(Wanted, Right with { Vxlan = other });

        Assert.Equal(reason, plan.Recreate);
        Assert.Equal(
            ["delete link flannel.1", "create vxlan device flannel.1 (id 1, local 192.0.2.1, dev #2, port 8472)"],
            plan.Requests.Select(r => r.Description));
    }

    [Theory]
    [InlineData("bridge")]
    [InlineData(null)]
    public void Between_WithAnotherKindOfDevice_Refuses(string? kind)
    {
        var e = Assert.Throws<DatapathException>(() => DevicePlan.Between(Wanted, Right with { Kind = kind, Vxlan = null }));

        Assert.Equal(
            $"the device name flannel.1 is taken by a device of kind {kind ?? "unknown"}: rename it (ip link set flannel.1 name …), or set another Backend.VNI in the config",
            e.Message);
    }

    [Fact]
    public void Between_FromAnyDevice_SettlesInTwoRounds() => Rounds.Run(1_000, random =>
    {
        var wanted = Wanted with { Learning = random.Percent(50), Gbp = random.Percent(50), Mtu = random.Next(576, 1451), Vni = (uint)random.Next(1, 4) };
        Link? link = random.Percent(20) ? null : Right with
        {
            Address = random.Percent(50) ? Wanted.Mac : Overlay.Mac(9),
            Mtu = random.Percent(50) ? wanted.Mtu : 1300,
            IsUp = random.Percent(50),
            Vxlan = Right.Vxlan! with { Vni = (uint)random.Next(1, 4), Learning = random.Percent(50), Gbp = random.Percent(50), Port = random.Pick([8472, 4789]) },
        };

        for (var round = 0; DevicePlan.Between(wanted, link) is { Requests.Count: > 0 } plan; round++)
        {
            Assert.True(round < 2, $"{link} is still not {wanted}");
            foreach (var request in plan.Requests)
                link = Execute(request, link);
        }

        Assert.Equal((wanted.Mac, wanted.Mtu, true), (link!.Address!.Value, link.Mtu, link.IsUp));
        Assert.Equal((wanted.Vni, wanted.Learning, wanted.Gbp, 8472), (link.Vxlan!.Vni, link.Vxlan.Learning, link.Vxlan.Gbp, link.Vxlan.Port));
    });

    /// <summary>What the kernel makes of a request; a new device is down and has another ifindex.</summary>
    private static Link? Execute(RouteRequest request, Link? link)
    {
        if (request.Type == Rtnl.RTM_DELLINK)
        {
            Assert.Equal(link!.Index, LinkMessages.Decode(request.Payload).Index);
            return null;
        }

        var asked = LinkMessages.Decode(request.Payload);
        if (asked.Index == 0)
        {
            Assert.Null(link); // Else EEXIST.
            return asked with { Index = 77, IsUp = false };
        }

        Assert.Equal(link!.Index, asked.Index);
        return link with { Address = asked.Address ?? link.Address, Mtu = asked.Mtu > 0 ? asked.Mtu : link.Mtu, IsUp = asked.IsUp || link.IsUp };
    }
}
