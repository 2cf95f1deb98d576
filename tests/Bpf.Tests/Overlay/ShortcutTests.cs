using System.Net;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>The proof lane 2 wants before it carries a packet, in both directions, of flows begun at either end. Conntrack is the kernel's.</summary>
public sealed class ShortcutTests(UnderlayNamespace underlay) : IDisposable
{
    private static readonly IPEndPoint Elsewhere = new(IPAddress.Parse("10.5.1.1"), 1);

    private static readonly Dictionary<string, (Func<Connection, Connection> Change, string Counter)> Refusals = new()
    {
        ["without a mark"] = (c => c with { Mark = 0 }, "passed_not_accepted"),
        ["with the marks of others alone"] = (c => c with { Mark = ShortcutRig.Others }, "passed_not_accepted"),
        ["with a generation alone"] = (c => c with { Mark = ShortcutRig.Others | ShortcutRig.Generation }, "passed_not_accepted"),
        ["accepted by the generation before"] = (c => c with { Mark = c.Mark - 0x0040_0000 }, "passed_not_accepted"),
        ["accepted by the generation after"] = (c => c with { Mark = c.Mark + 0x0040_0000 }, "passed_not_accepted"),
        ["with every bit of ours"] = (c => c with { Mark = c.Mark | ShortcutRig.GenerationMask }, "passed_not_accepted"),
        ["with traffic one way"] = (c => c with { Status = Connection.SeenReply }, "passed_not_established"),
        ["with no reply"] = (c => c with { Status = 0 }, "passed_not_established"),
        ["with a helper"] = (c => c with { Status = c.Status | Connection.Helper }, "passed_not_established"),
        ["with shifted sequence numbers"] = (c => c with { AdjustsSequence = true }, "passed_not_established"),
        ["about to be forgotten"] = (c => c with { Timeout = ShortcutRig.Expiring }, "passed_expiring"),
    };

    // The tuple that the packet is not found by differs from what it would be without translation.
    private static readonly Dictionary<string, Func<Connection, Connection>> Translations = new()
    {
        ["to another address"] = c => c with { ReplyTo = new(Elsewhere.Address, c.Client.Port) },
        ["to another port"] = c => c with { ReplyTo = new(c.Client.Address, Elsewhere.Port) },
        ["from another address"] = c => c with { ReplyFrom = new(Elsewhere.Address, c.Server.Port) },
        ["from another port"] = c => c with { ReplyFrom = new(c.Server.Address, Elsewhere.Port) },
        ["source NAT"] = c => c with { NatSource = Elsewhere.Address },
        ["destination NAT"] = c => c with { NatDestination = Elsewhere.Address },
    };

    private readonly ShortcutRig _rig = new(underlay);

    public static TheoryData<string> RefusedFlows => [.. Refusals.Keys];

    public static TheoryData<string> TranslatedFlows => [.. Translations.Keys];

    /// <summary>Protocol, whether the flow was begun on this node, whether the packet leaves it.</summary>
    private static IEnumerable<(byte Protocol, bool BegunHere, bool Outwards)> Ways =>
        from protocol in (byte[])[Transport.Tcp, Transport.Udp]
        from begunHere in (bool[])[true, false]
        from outwards in (bool[])[true, false]
        select (protocol, begunHere, outwards);

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Flow_AcceptedBothWays_IsCarriedBothWays()
    {
        foreach (var way in Ways)
            ExpectTaken(way, ShortcutRig.Flow(way.Protocol, way.BegunHere));
    }

    [Theory]
    [MemberData(nameof(RefusedFlows))]
    public void Flow_ThatProvesNothing_GoesTheLongWay(string name)
    {
        foreach (var way in Ways)
            ExpectPassed(way, Refusals[name].Change(ShortcutRig.Flow(way.Protocol, way.BegunHere)), Refusals[name].Counter);
    }

    [Fact]
    public void Flow_ThatConntrackDoesNotKnow_GoesTheLongWay()
    {
        foreach (var way in Ways)
        {
            ExpectPassed(way, null, "passed_no_connection");
            // One port, one protocol aside.
            var known = ShortcutRig.Flow(way.Protocol, way.BegunHere);
            ExpectPassed(way, known with { Client = new(known.Client.Address, known.Client.Port + 1) }, "passed_no_connection");
            ExpectPassed(
                way, known with { Protocol = way.Protocol == Transport.Tcp ? Transport.Udp : Transport.Tcp }, "passed_no_connection");
        }
    }

    [Fact]
    public void Mark_OfOneDirection_OpensTheLaneToThatOne()
    {
        foreach (var way in Ways)
        {
            var flow = ShortcutRig.Flow(way.Protocol, way.BegunHere);
            var original = way.BegunHere == way.Outwards;
            var (mine, other) = original ? (ShortcutRig.OriginalBit, ShortcutRig.ReplyBit) : (ShortcutRig.ReplyBit, ShortcutRig.OriginalBit);
            ExpectTaken(way, flow with { Mark = ShortcutRig.Generation | mine });
            ExpectPassed(way, flow with { Mark = ShortcutRig.Generation | other }, "passed_not_accepted");
        }
    }

    [Theory]
    [MemberData(nameof(TranslatedFlows))]
    public void Flow_ThatIsTranslated_GoesTheLongWayInEitherMode(string name)
    {
        foreach (var mode in (OverlayShortcut[])[OverlayShortcut.Established, OverlayShortcut.Always])
        {
            _rig.SetTerms(t => t with { Mode = mode });
            foreach (var way in Ways)
            {
                var flow = ShortcutRig.Flow(way.Protocol, way.BegunHere);
                var original = way.BegunHere == way.Outwards;
                ExpectPassed(way, original ? Translations[name](flow) : TranslatedReply(name, flow), "passed_translated");
            }
        }
    }

    [Fact]
    public void Tcp_InEveryOtherState_GoesTheLongWay()
    {
        // enum tcp_conntrack: TCP_CONNTRACK_NONE to TCP_CONNTRACK_SYN_SENT2.
        for (byte state = 0; state <= 9; state++)
        {
            foreach (var way in Ways.Where(w => w.Protocol == Transport.Tcp))
            {
                var flow = ShortcutRig.Flow(way.Protocol, way.BegunHere) with { TcpState = state };
                if (state == Connection.TcpEstablished)
                    ExpectTaken(way, flow);
                else
                    ExpectPassed(way, flow, "passed_not_established");
            }
        }
    }

    [Fact]
    public void TcpFlags_OfAllCombinations_DecideWhetherTheLaneMayHaveIt()
    {
        foreach (var way in Ways.Where(w => w.Protocol == Transport.Tcp))
        {
            var flow = ShortcutRig.Flow(way.Protocol, way.BegunHere);
            for (var flags = 0; flags < 256; flags += 1)
            {
                // FIN, SYN, RST.
                if ((flags & 7) == 0)
                    ExpectTaken(way, flow, (byte)flags);
                else
                    ExpectPassed(way, flow, "passed_not_established", (byte)flags);
            }
        }
    }

    [Fact]
    public void Terms_WithoutAGeneration_AcceptNoMarkAtAll()
    {
        // All zero is what the map is before the agent has said anything.
        _rig.SetTerms(t => t with { AcceptMask = default, AcceptValue = default });
        foreach (var way in Ways)
            ExpectPassed(way, ShortcutRig.Flow(way.Protocol, way.BegunHere) with { Mark = 0 }, "passed_not_accepted");
    }

    [Fact]
    public void Lane_SwitchedOff_CarriesNothing()
    {
        _rig.SetTerms(t => t with { Mode = OverlayShortcut.Off });
        foreach (var way in Ways)
            ExpectPassed(way, ShortcutRig.Flow(way.Protocol, way.BegunHere), "passed_switched_off");
    }

    [Theory]
    [InlineData(OverlayShortcut.Established)]
    [InlineData(OverlayShortcut.Always)]
    public void Lane_WithoutItsAgent_CarriesNothing(OverlayShortcut mode)
    {
        _rig.SetTerms(t => t with { Mode = mode, OpenUntil = 1 });
        foreach (var way in Ways)
            ExpectPassed(way, ShortcutRig.Flow(way.Protocol, way.BegunHere), "passed_switched_off");
    }

    [Fact]
    public void Always_WithAnyEntryThatTranslatesNothing_OrNone_Carries()
    {
        _rig.SetTerms(t => t with { Mode = OverlayShortcut.Always });
        foreach (var way in Ways)
        {
            var flow = ShortcutRig.Flow(way.Protocol, way.BegunHere);
            ExpectTaken(way, null);
            ExpectTaken(way, flow with { Mark = 0, Status = 0, Timeout = ShortcutRig.Expiring });
        }
    }

    [Fact]
    public void Flow_EveryTenSeconds_ShowsItselfToBridgeAndNeighbours()
    {
        foreach (var way in Ways)
        {
            _rig.SetEndpoint(e => e with { SlowOutAt = way.Outwards ? 1u : ulong.MaxValue, SlowInAt = way.Outwards ? ulong.MaxValue : 1u });
            var flow = ShortcutRig.Flow(way.Protocol, way.BegunHere);
            ExpectPassed(way, flow, "passed_refresh");
            ExpectTaken(way, flow);
        }
    }

    [Fact]
    public void Lane1_AfterLane2HasPassedOn_TakesIt()
    {
        _rig.Configure(c => c with { TunnelIn = OverlayTunnelIn.Bpf });
        var ip = ShortcutRig.IpIn(Transport.Udp);
        var segment = ShortcutRig.Flow(Transport.Udp, begunHere: true).Reply();
        var run = _rig.In(ShortcutRig.Received(ip, segment));
        Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
        Assert.Equal(ShortcutRig.Tunnelled(ip, segment), run.Packet);
        _rig.ExpectCounters("2 in passed_no_connection=1", "in taken=1");
        _rig.ExpectTraffic(Nodes.Two, packetsIn: 1, bytesIn: ShortcutRig.Tunnelled(ip, segment).Length);
    }

    [Fact]
    public void Packet_OutByLane2_ComesOutOfLane1OfTheOtherNode()
    {
        using var other = new OverlayRig(underlay, Nodes.Two);
        using var same = new OverlayRig(underlay);
        foreach (var protocol in (byte[])[Transport.Tcp, Transport.Udp])
        {
            var flow = ShortcutRig.Flow(protocol, begunHere: true);
            _rig.Table.Add(flow);
            var ip = ShortcutRig.IpOut(protocol);
            var sent = _rig.Out(ShortcutRig.Sent(ip, flow.Original()));
            Assert.Equal(OverlayRig.Redirect, sent.ReturnValue);
            var routed = Nodes.Inner(Nodes.One, Nodes.Two).Around((ip with { Ttl = 63 }).Around(flow.Original()));
            Assert.Equal(routed, other.In(sent.Packet).Packet);
            // Both lanes put a flow on one source port, so a flow that changes lanes keeps its path and its queue.
            Assert.Equal(Tunnel.SourcePortOf(same.Out(routed).Packet), Tunnel.SourcePortOf(sent.Packet));
        }

        other.ExpectCounters("in taken=2");
    }

    // As IPVS or a DNAT leave the reply: the original tuple is to an address that the reply does not come from.
    private static Connection TranslatedReply(string name, Connection flow) => name switch
    {
        "to another address" => flow with { Client = new(Elsewhere.Address, flow.Client.Port), ReplyTo = flow.Client },
        "to another port" => flow with { Client = new(flow.Client.Address, Elsewhere.Port), ReplyTo = flow.Client },
        "from another address" => flow with { Server = new(Elsewhere.Address, flow.Server.Port), ReplyFrom = flow.Server },
        "from another port" => flow with { Server = new(flow.Server.Address, Elsewhere.Port), ReplyFrom = flow.Server },
        "source NAT" => flow with { Client = new(Elsewhere.Address, flow.Client.Port), NatSource = flow.Client.Address },
        _ => flow with { Server = new(Elsewhere.Address, flow.Server.Port), NatDestination = flow.Server.Address },
    };

    private static byte[] Segment((byte Protocol, bool BegunHere, bool Outwards) way, byte? tcpFlags)
    {
        var flow = ShortcutRig.Flow(way.Protocol, way.BegunHere);
        var segment = way.BegunHere == way.Outwards ? flow.Original() : flow.Reply();
        if (tcpFlags is { } flags)
            segment[13] = flags;
        return segment;
    }

    private void ExpectTaken((byte Protocol, bool BegunHere, bool Outwards) way, Connection? known, byte? tcpFlags = null)
    {
        var before = _rig.Counters;
        Know(known);
        if (way.Outwards)
            _rig.ExpectTakenOut(ShortcutRig.IpOut(way.Protocol), Segment(way, tcpFlags));
        else
            _rig.ExpectTakenIn(ShortcutRig.IpIn(way.Protocol), Segment(way, tcpFlags));
        ExpectMore(before, way.Outwards ? ["2 out taken"] : ["2 in taken"], $"{way} {known}");
    }

    private void ExpectPassed((byte Protocol, bool BegunHere, bool Outwards) way, Connection? known, string counter, byte? tcpFlags = null)
    {
        var before = _rig.Counters;
        Know(known);
        if (way.Outwards)
            _rig.ExpectPassedOut(ShortcutRig.IpOut(way.Protocol), Segment(way, tcpFlags));
        else
            _rig.ExpectPassedIn(ShortcutRig.IpIn(way.Protocol), Segment(way, tcpFlags));
        ExpectMore(before, way.Outwards ? [$"2 out {counter}"] : [$"2 in {counter}", "in passed_switched_off"], $"{way} {known}");
    }

    private void Know(Connection? known)
    {
        _rig.Table.Clear();
        if (known is not null)
            _rig.Table.Add(known);
    }

    /// <summary>These counters went up by one each, and no others.</summary>
    private void ExpectMore(List<string> before, string[] counters, string about)
    {
        var expected = Read(before);
        foreach (var counter in counters)
            expected[counter] = expected.GetValueOrDefault(counter) + 1;
        var now = Read(_rig.Counters);
        Assert.True(
            expected.OrderBy(c => c.Key).SequenceEqual(now.OrderBy(c => c.Key)),
            $"{about}: expected {string.Join(", ", expected)}, found {string.Join(", ", now)}");

        static Dictionary<string, int> Read(List<string> counters) =>
            counters.Select(c => c.Split('=')).ToDictionary(c => c[0], c => int.Parse(c[1]));
    }
}
