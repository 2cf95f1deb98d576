using System.Net;

namespace Accelerated.Agent.Node;

/// <summary>An interface of the host to other hosts that is not the underlay's.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Address">An IPv4 address of it with global scope.</param>
public sealed record OtherInterface(string Name, IPAddress Address);
