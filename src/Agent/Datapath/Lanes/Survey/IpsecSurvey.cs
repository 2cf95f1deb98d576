using System.Net;
using System.Net.Sockets;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>
/// Which IPsec policies the lanes would slip past: what must be encrypted would leave in plain text, and what must have been encrypted
/// would be taken in plain text. Pure.
/// </summary>
internal static class IpsecSurvey
{
    private const byte Udp = 17;

    /// <summary>Policies for what the driver sends to or receives from peers.</summary>
    public static IEnumerable<string> Outer(OverlayDevice device, IReadOnlyList<XfrmPolicy> policies, XfrmDefaults defaults)
    {
        foreach (var direction in (XfrmDirection[])[XfrmDirection.Out, XfrmDirection.In])
        {
            var decided = new HashSet<XfrmPolicy>();
            var asked = InOrder(policies, direction);
            foreach (var peer in device.Peers.Select(p => p.Remote).Distinct())
            {
                var (from, to) = direction == XfrmDirection.Out ? (device.Local, peer) : (peer, device.Local);
                var packets = new Packets(Host(from), Host(to), Udp, device.Port, device.UnderlayIndex);
                if (Decisive(asked, packets) is { } policy && decided.Add(policy))
                {
                    yield return $"ipsec: {Words(policy)} {(policy.Blocks ? "blocks" : "transforms")} UDP port {device.Port} between {from} and {to}, "
                        + "and the lanes would carry it in plain text; with the policy in place the driver has to carry the overlay (ip xfrm policy)";
                }
            }
        }

        if (defaults.BlocksOut || defaults.BlocksIn)
        {
            yield return $"ipsec: what no policy matches is blocked ({(defaults.BlocksOut ? "out" : "in")}), and the lanes would carry it; "
                + "with that default the driver has to carry the overlay (ip xfrm policy getdefault)";
        }
    }

    /// <summary>Policies for what containers send to each other: they are asked when the host forwards a packet, which lane 2 does without.</summary>
    public static IEnumerable<string> Inner(OverlayDevice device, IReadOnlyList<XfrmPolicy> policies, XfrmDefaults defaults)
    {
        var decided = new HashSet<XfrmPolicy>();
        foreach (var direction in (XfrmDirection[])[XfrmDirection.Out, XfrmDirection.Forward])
        {
            foreach (var (from, to) in ((IPNetwork, IPNetwork)[])[(device.Subnet, device.Network), (device.Network, device.Subnet)])
            {
                if (Decisive(InOrder(policies, direction), new(from, to, Protocol: null, Port: null, InterfaceIndex: null)) is { } policy && decided.Add(policy))
                {
                    yield return $"ipsec: {Words(policy)} {(policy.Blocks ? "blocks" : "transforms")} packets between {from} and {to}, and the shortcut would carry them "
                        + "as they are; narrow the policy, or do without the shortcut (ip xfrm policy)";
                }
            }
        }

        if (defaults.BlocksForward)
            yield return "ipsec: what no policy matches is not forwarded, and the shortcut would carry it; do without the shortcut (ip xfrm policy getdefault)";
    }

    // The lowest number decides. Of equal ones the stricter is assumed to.
    private static List<XfrmPolicy> InOrder(IReadOnlyList<XfrmPolicy> policies, XfrmDirection direction) =>
        [.. policies.Where(p => p.Direction == direction).OrderBy(p => p.Priority).ThenBy(p => !IsStrict(p))];

    /// <summary>The policy that decides about some of the packets and does not let them pass as they are; null when there is none.</summary>
    private static XfrmPolicy? Decisive(List<XfrmPolicy> policies, Packets packets)
    {
        foreach (var policy in policies)
        {
            var answer = Matches(policy, packets);
            if (answer != Answer.No && IsStrict(policy))
                return policy;
            if (answer == Answer.Yes)
                return null;
        }

        return null;
    }

    private static bool IsStrict(XfrmPolicy policy) => policy.Blocks || policy.Transforms;

    private static Answer Matches(XfrmPolicy policy, Packets packets)
    {
        // A policy of an xfrm interface is asked about what is routed there, and the overlay's packets are not.
        if (policy.InterfaceId != 0)
            return Answer.No;
        var isCertain = policy.Mark is null;
        if (policy.InterfaceIndex != 0)
        {
            if (packets.InterfaceIndex is { } index && index != policy.InterfaceIndex)
                return Answer.No;
            isCertain &= packets.InterfaceIndex is not null;
        }

        if (policy.Protocol != 0)
        {
            if (packets.Protocol is { } protocol && protocol != policy.Protocol)
                return Answer.No;
            isCertain &= packets.Protocol is not null;
        }

        if (policy.DestinationPort is { } port)
        {
            if (packets.Port is { } ours && ours != port)
                return Answer.No;
            isCertain &= packets.Port is not null;
        }

        isCertain &= policy.SourcePort is null;
        var (source, destination) = (Prefix(policy.Source, packets.From), Prefix(policy.Destination, packets.To));
        return source == Answer.No || destination == Answer.No ? Answer.No
            : isCertain && source == Answer.Yes && destination == Answer.Yes ? Answer.Yes
            : Answer.Maybe;
    }

    private static Answer Prefix(IPNetwork policy, IPNetwork packets)
    {
        // A selector without a family has prefixes of length 0, and is for all.
        if (policy.PrefixLength == 0)
            return Answer.Yes;
        if (policy.BaseAddress.AddressFamily != packets.BaseAddress.AddressFamily)
            return Answer.No;
        return policy.PrefixLength <= packets.PrefixLength
            ? (policy.Contains(packets.BaseAddress) ? Answer.Yes : Answer.No)
            : packets.Contains(policy.BaseAddress) ? Answer.Maybe : Answer.No;
    }

    private static IPNetwork Host(IPAddress address) => new(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);

    private static string Words(XfrmPolicy policy) =>
        $"the policy src {policy.Source} dst {policy.Destination} dir {policy.Direction.ToString().ToLowerInvariant()} priority {policy.Priority}"
        + (policy.Mark is { } mark ? $" mark 0x{mark.Value:x}/0x{mark.Mask:x}" : "");

    private readonly record struct Packets(IPNetwork From, IPNetwork To, byte? Protocol, ushort? Port, int? InterfaceIndex);
}
