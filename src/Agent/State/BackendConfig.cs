namespace Accelerated.Agent.State;

/// <summary>The <c>Backend</c> object of the network configuration. All but the type is for <see cref="Vxlan"/>.</summary>
/// <param name="Type">Backend type in lower case, as leases carry it.</param>
/// <param name="Vni">VXLAN network identifier, 1 … 2^24 − 1.</param>
/// <param name="Port">UDP destination port; flannel's default is the kernel's, 8472.</param>
/// <param name="Gbp">Group-based policy extension on the device.</param>
/// <param name="DirectRouting">Peers on the same link are to be reached without encapsulation.</param>
/// <param name="Learning">The device learns forwarding entries from traffic.</param>
/// <param name="Mtu">MTU of the underlay to reckon with, or 0 for the interface's own.</param>
public sealed record BackendConfig(string Type, uint Vni, ushort Port, bool Gbp, bool DirectRouting, bool Learning, int Mtu)
{
    /// <summary>The config has no Backend, and this one is what we make of it.</summary>
    public bool IsAssumed { get; init; }

    /// <summary>The port the kernel's vxlan driver takes when none is given (flannel's default too, not IANA's 4789).</summary>
    public const ushort DefaultPort = 8472;

    /// <summary>flannel's default VNI.</summary>
    public const uint DefaultVni = 1;

    /// <summary>Largest VNI (RFC 7348: 24 bits).</summary>
    public const uint LargestVni = (1u << 24) - 1;

    /// <summary>Name of flannel's backend that encapsulates in VXLAN.</summary>
    public const string Vxlan = "vxlan";

    /// <summary>Name of flannel's backend of plain routes by way of each peer's host.</summary>
    public const string HostGw = "host-gw";
}
