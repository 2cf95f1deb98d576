using System.Collections.Immutable;

namespace Accelerated.Lab;

/// <summary>What a lab's etcd is to be.</summary>
public sealed record EtcdSpec
{
    /// <summary>1, in the namespace <c>LAB-etcd</c>; or 3, in <c>LAB-etcd1</c> to <c>LAB-etcd3</c>, and <c>LAB-etcd</c> is the operator's host.</summary>
    public int Members { get; init; } = 1;

    /// <summary><c>3.4</c> or <c>3.5</c>, as <c>make deps</c> unpacks them; null for whichever <c>ACCELERATED_ETCD</c>, artifacts/tools or the PATH has.</summary>
    public string? Version { get; init; }

    /// <summary>Whether clients have to use TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>With TLS: whether clients need a certificate. Agents then have one, else the CA alone.</summary>
    public bool ClientCertificates { get; init; }

    /// <summary>More flags for each member.</summary>
    public ImmutableArray<string> Flags { get; init; } = [];
}
