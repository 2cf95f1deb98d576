namespace Accelerated.Interop.Libbpf;

/// <summary>What a test run takes along with the packet: the members of struct __sk_buff that BPF_PROG_TEST_RUN accepts. All zero is fine.</summary>
/// <remarks>
/// The kernel sets the packet type by comparing the destination with the hardware address of <see cref="InterfaceIndex"/>. A VLAN tag
/// beside the packet, a hash and a packet type of one's own cannot be given.
/// </remarks>
public readonly record struct BpfTestContext
{
    /// <summary>The interface the packet is on, in the network namespace of the calling thread; 0 for lo.</summary>
    public int InterfaceIndex { get; init; }

    /// <summary>The interface it came in by.</summary>
    public int IngressInterfaceIndex { get; init; }

    /// <summary>skb->mark.</summary>
    public uint Mark { get; init; }

    /// <summary>skb->priority.</summary>
    public uint Priority { get; init; }

    /// <summary>Bytes of payload per segment; 0 for a packet that is not GSO.</summary>
    public int GsoSize { get; init; }

    /// <summary>Segments the packet will be cut into.</summary>
    public int GsoSegments { get; init; }

    /// <summary>Nanoseconds: skb->tstamp.</summary>
    public ulong Timestamp { get; init; }

    internal SkBuff ToNative() => new()
    {
        mark = Mark,
        priority = Priority,
        ingress_ifindex = (uint)IngressInterfaceIndex,
        ifindex = (uint)InterfaceIndex,
        tstamp = Timestamp,
        gso_segs = (uint)GsoSegments,
        gso_size = (uint)GsoSize,
    };
}
