namespace Accelerated.Agent.State;

/// <summary>What the operator's flags say about the firewall.</summary>
/// <param name="Masquerade"><c>--ip-masq</c>.</param>
/// <param name="FullyRandom">Unless <c>--ip-masq-fully-random-disable</c>.</param>
/// <param name="AcceptForwarded"><c>--iptables-forward-rules</c>.</param>
public sealed record FirewallOptions(bool Masquerade, bool FullyRandom, bool AcceptForwarded);
