namespace Accelerated.Interop.Libbpf.Overlay;

/// <summary>Why the guard refused a packet (enum refusal_reason of bpf/types.h).</summary>
public enum RefusalReason : byte
{
    /// <summary>REFUSED_UNKNOWN_VTEP: the sender is no node we know.</summary>
    UnknownVtep = 0,

    /// <summary>REFUSED_FORGED_SOURCE: the inner source is in the subnet of another node.</summary>
    ForgedSource = 1,

    /// <summary>REFUSED_INNER_VLAN: a VLAN tag in the inner frame.</summary>
    InnerVlan = 2,

    /// <summary>REFUSED_FRAGMENT: the first fragment of an outer packet.</summary>
    Fragment = 3,
}
