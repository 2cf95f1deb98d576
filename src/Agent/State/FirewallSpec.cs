using System.Net;

namespace Accelerated.Agent.State;

/// <summary>What the node's firewall must do for one overlay network.</summary>
/// <param name="Network">The whole overlay network.</param>
/// <param name="Subnet">The node's own subnet.</param>
/// <param name="Masquerade">Traffic that leaves the overlay takes the node's address (<c>--ip-masq</c>).</param>
/// <param name="FullyRandom">Source ports of masqueraded connections are drawn at random (<c>--ip-masq-fully-random-disable</c> not given).</param>
/// <param name="AcceptForwarded">Accept forwarded overlay traffic (<c>--iptables-forward-rules</c>).</param>
/// <param name="Guard">Who may send VXLAN to the node.</param>
public sealed record FirewallSpec(IPNetwork Network, IPNetwork Subnet, bool Masquerade, bool FullyRandom, bool AcceptForwarded, GuardSpec Guard);
