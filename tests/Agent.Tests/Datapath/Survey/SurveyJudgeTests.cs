using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Agent.State;
using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Tests.Datapath.Survey;

/// <summary>The judgement alone, on hosts that are written down here. What kernels really say is in System.Tests.</summary>
public sealed class SurveyJudgeTests
{
    private static readonly VerdictStep Accept = new(new(VerdictKind.Accept));
    private static readonly VerdictStep Drop = new(new(VerdictKind.Drop));
    private static readonly OpaqueStep Limit = new("limit", StepNature.EveryPacket);
    private static readonly OpaqueStep Mark = new("meta mark set", StepNature.Neutral);
    private static readonly MatchStep OurPort = MatchStep.One(PacketField.DestinationPort, 8472, 8472);

    [Fact]
    public void Host_WithNothing_HasNoReasons()
    {
        var survey = Judge();

        Assert.Empty(survey.LanesOff);
        Assert.Empty(survey.TunnelInOff);
        Assert.Empty(survey.ShortcutOff);
        Assert.False(survey.ConntrackInUse);
        Assert.Equal("print", survey.Fingerprint);
    }

    [Fact]
    public void Host_ThatCannotBeRead_HasAllLanesOff()
    {
        var survey = Judge(HostConfiguration.Empty with { Unreadable = ["no rules for you"] });

        Assert.Equal(["no rules for you"], survey.LanesOff);
    }

    [Fact]
    public void Overlay_OfIPv6_HasAllLanesOff()
    {
        var survey = Judge(device: Overlay.Device() with { Overlay = AddressFamily.InterNetworkV6 });

        Assert.Contains("IPv6", Assert.Single(survey.LanesOff), StringComparison.Ordinal);
    }

    [Fact]
    public void Rule_WithText_IsQuoted()
    {
        var host = Rules(Chain("OUTPUT", FilterHook.Output, false, [OurPort, Drop]));

        var reason = Assert.Single(Judge(host, text: "udp dport 8472 drop").LanesOff);

        Assert.Equal(
            "the rule 'udp dport 8472 drop' (nftables, table inet t, chain OUTPUT, handle 1) drops what the driver sends to UDP port 8472 of the other nodes, "
            + "and the lanes would send it all the same; accept UDP port 8472 of the nodes before it",
            reason);
    }

    [Fact]
    public void Rules_ForEachOfManyPeers_AcceptThemAll()
    {
        var device = Overlay.Device([.. Enumerable.Range(2, 200).Select(n => Overlay.Peer(n))]);
        var rules = device.Peers.Select(p => (RuleStep[])[MatchStep.One(PacketField.Destination, Number(p.Remote), Number(p.Remote)), Accept]).ToArray();

        Assert.Empty(Judge(Rules(Chain("OUTPUT", FilterHook.Output, true, rules)), device).LanesOff);
        Assert.Single(Judge(Rules(Chain("OUTPUT", FilterHook.Output, true, rules[1..])), device).LanesOff);
    }

    [Fact]
    public void Peers_None_AreNoReasonToBeLessCareful() =>
        Assert.Single(Judge(Rules(Chain("OUTPUT", FilterHook.Output, false, [MatchStep.One(PacketField.Destination, 5, 5), Drop])), Overlay.Device()).LanesOff);

    [Fact]
    public void Mark_SetOnTheWay_IsNotKnownAfterwards()
    {
        var marked = MatchStep.One(PacketField.Mark, 7, 7);
        RuleStep[] set = [MatchStep.One(PacketField.SourcePort, 4000, 5000), Mark], drop = [marked, Drop];

        Assert.Empty(Judge(Rules(Chain("c", FilterHook.Output, false, drop, set))).LanesOff);
        Assert.Single(Judge(Rules(Chain("c", FilterHook.Output, false, set, drop))).LanesOff);
    }

    [Fact]
    public void Chain_WalkedBeforeAndAfterAMark_IsWalkedTwice()
    {
        var table = new FilterTable(FilterFamily.Inet, "t", false, false,
        [
            Chain("sub", FilterHook.None, false, [MatchStep.One(PacketField.Mark, 7, 7), Drop]),
            Chain("c", FilterHook.Output, false, [Jump("sub")], [Mark], [Jump("sub")]),
        ]);

        Assert.Single(Judge(HostConfiguration.Empty with { Tables = [table] }).LanesOff);
    }

    [Fact]
    public void Goto_ComesBackToTheCallersCaller()
    {
        FilterTable Table(VerdictKind kind) => new(FilterFamily.Inet, "t", false, false,
        [
            Chain("far", FilterHook.None, false, [MatchStep.Never, Accept]),
            Chain("near", FilterHook.None, false, [new VerdictStep(new(kind, "far"))], [Limit]),
            Chain("c", FilterHook.Forward, false, [Jump("near")]),
        ]);

        Assert.Empty(Judge(HostConfiguration.Empty with { Tables = [Table(VerdictKind.Goto)] }).ShortcutOff);
        Assert.Single(Judge(HostConfiguration.Empty with { Tables = [Table(VerdictKind.Jump)] }).ShortcutOff);
    }

    [Fact]
    public void Chains_ThatCallEachOtherInEveryWay_AreWalkedInNoTime()
    {
        // 16 levels, each calling the next one twice: 65,536 ways.
        var chains = Enumerable.Range(0, 16).Select(i => Chain(
            Name(i), i == 0 ? FilterHook.Forward : FilterHook.None, false, i == 15 ? [[Limit]] : [[Jump(Name(i + 1))], [Jump(Name(i + 1))]])).ToList();

        Assert.Single(Judge(HostConfiguration.Empty with { Tables = [new(FilterFamily.Inet, "t", false, false, chains)] }).ShortcutOff);

        static string Name(int i) => string.Create(CultureInfo.InvariantCulture, $"c{i}");
    }

    [Theory]
    [InlineData(FilterFamily.IPv6)]
    [InlineData(FilterFamily.Arp)]
    public void Table_OfAnotherFamily_DoesNotConcernTheOverlay(FilterFamily family)
    {
        var table = new FilterTable(family, "t", false, false, [Chain("c", FilterHook.Forward, true, [Limit]), Chain("d", FilterHook.Output, true)]);

        var survey = Judge(HostConfiguration.Empty with { Tables = [table] });

        Assert.Empty(survey.ShortcutOff);
        Assert.Empty(survey.LanesOff);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public void Policies_OfEqualPriority_TheStricterIsAssumedToDecide(uint first, uint second)
    {
        XfrmPolicy[] policies = [Policy(transforms: first == 1, first), Policy(transforms: first == 2, second)];

        Assert.Single(Judge(HostConfiguration.Empty with { Policies = policies }, Overlay.Device(Overlay.Peer(2))).LanesOff);

        static XfrmPolicy Policy(bool transforms, uint index) => new(
            XfrmDirection.Out, false, transforms, 10, IPNetwork.Parse("192.0.2.0/24"), IPNetwork.Parse("192.0.2.0/24"), 0, null, null, 0, 0, null, index);
    }

    [Theory]
    [InlineData("vlan", 0, null, "eth0.7 is a VLAN on eth0, and would see what lane 3 has decapsulated")]
    [InlineData("vlan", 0, 1, null)] // The number is of another network namespace.
    [InlineData("vlan", 1, null, null)]
    [InlineData("macvlan", 0, null, null)] // Has an address of its own, and lane 3 looks at that.
    public void Interface_OnTheUnderlay_ThatIsAVlan_SwitchesLane3Off(string kind, int offset, int? netns, string? reason)
    {
        var device = Overlay.Device(Overlay.Peer(2));
        var eth0 = new Link(device.UnderlayIndex, "eth0", null, device.Mac, 1500, true, true, OperState.Up);
        var above = eth0 with { Index = 99, Name = "eth0.7", Kind = kind, ParentIndex = device.UnderlayIndex + offset, ParentNetns = netns };

        var survey = Judge(HostConfiguration.Empty with { Links = [eth0, above] }, device);

        Assert.Equal(reason is null ? [] : [reason], survey.EarlyOff);
        Assert.Empty(survey.TunnelInOff);
    }

    private static LaneSurvey Judge(HostConfiguration? host = null, OverlayDevice? device = null, string? text = null) =>
        new SurveyJudge(device ?? Overlay.Device(Overlay.Peer(2), Overlay.Peer(3)), [], ImmutableHashSet<uint>.Empty)
            .Judge(host ?? HostConfiguration.Empty, "print", (_, _, _) => text, _ => null);

    private static HostConfiguration Rules(FilterChain chain) =>
        HostConfiguration.Empty with { Tables = [new(FilterFamily.Inet, "t", false, false, [chain])] };

    private static FilterChain Chain(string name, FilterHook hook, bool drops, params RuleStep[][] rules) =>
        new(name, hook, hook == FilterHook.None ? "" : "filter", drops, [], [.. rules.Select((steps, i) => new FilterRule((ulong)i + 1, steps))]);

    private static VerdictStep Jump(string chain) => new(new(VerdictKind.Jump, chain));

    private static UInt128 Number(IPAddress address) => address.GetAddressBytes().Aggregate((UInt128)0, (n, b) => n << 8 | b);
}
