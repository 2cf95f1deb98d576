using System.Collections.Immutable;
using System.Net;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.State;

/// <summary>What the operator's flags say about the firewall.</summary>
/// <param name="Masquerade"><c>--ip-masq</c>.</param>
/// <param name="FullyRandom">Unless <c>--ip-masq-fully-random-disable</c>.</param>
/// <param name="AcceptForwarded"><c>--iptables-forward-rules</c>.</param>
/// <param name="Guard"><c>--guard</c>.</param>
/// <param name="GuardAllow"><c>--guard-allow</c>: senders beside the peers, none inside another.</param>
/// <param name="OpenPort"><c>--open-port</c>: let the overlay's UDP port in where an INPUT chain refuses it.</param>
public sealed record FirewallOptions(
    bool Masquerade, bool FullyRandom, bool AcceptForwarded, OverlayGuard Guard, ImmutableArray<IPNetwork> GuardAllow, bool OpenPort = true);
