using System.Net;

namespace Accelerated.Agent.State;

/// <summary>Another node's subnet that is reached by a plain route, without encapsulation.</summary>
/// <param name="Key">Its lease's key text, the name to report it under.</param>
/// <param name="Subnet">The subnet behind it.</param>
/// <param name="Remote">Underlay address of the node, on link: the route's gateway.</param>
/// <param name="MayEncapsulate">
/// The node has a VTEP too, and may send VXLAN: it need not see this node on its link, or may just be starting.
/// </param>
public sealed record DirectPeer(string Key, IPNetwork Subnet, IPAddress Remote, bool MayEncapsulate);
