namespace Accelerated.Lab;

/// <summary>How the nodes' <c>eth0</c> are joined.</summary>
public enum LabLink
{
    /// <summary>Every node's <c>eth0</c> is a veth to a bridge in the switch namespace; etcd hangs there too.</summary>
    Switch,

    /// <summary>
    /// Exactly two nodes, whose <c>eth0</c> are the two ends of one veth pair, for benchmarks. etcd is reached over an
    /// <c>eth1</c> of its own, so that its traffic is not measured.
    /// </summary>
    Direct,
}
