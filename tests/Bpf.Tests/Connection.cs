using System.Net;
using Accelerated.Bpf.Tests.Packets;

namespace Accelerated.Bpf.Tests;

/// <summary>A flow as conntrack is to know it; as it stands, one that lane 2 may carry in both directions but for its mark.</summary>
/// <param name="Protocol">IP protocol number.</param>
/// <param name="Client">Who began it.</param>
/// <param name="Server">Whom it is to.</param>
internal sealed record Connection(byte Protocol, IPEndPoint Client, IPEndPoint Server)
{
    public const uint SeenReply = 1 << 1;
    public const uint Assured = 1 << 2;
    public const uint Helper = 1 << 13;
    public const byte TcpEstablished = 3;

    /// <summary>Bits of enum ip_conntrack_status that may be set from outside (linux/netfilter/nf_conntrack_common.h).</summary>
    public uint Status { get; init; } = SeenReply | Assured;

    public uint Mark { get; init; }

    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>enum tcp_conntrack.</summary>
    public byte TcpState { get; init; } = TcpEstablished;

    /// <summary>Where the reply goes if not to the client: what only the reply's tuple shows, as IPVS leaves it.</summary>
    public IPEndPoint? ReplyTo { get; init; }

    /// <summary>Where the reply comes from if not from the server.</summary>
    public IPEndPoint? ReplyFrom { get; init; }

    /// <summary>The address the client is given by NAT.</summary>
    public IPAddress? NatSource { get; init; }

    /// <summary>The address the server is given by NAT.</summary>
    public IPAddress? NatDestination { get; init; }

    /// <summary>Whether sequence numbers are shifted, as a helper does that changes the length of what it reads.</summary>
    public bool AdjustsSequence { get; init; }

    /// <summary>The client's first segment or datagram and whatever follows it.</summary>
    public byte[] Original(byte[]? payload = null) => Transported(Client, Server, payload ?? Transport.Payload(40));

    /// <summary>The same from the server.</summary>
    public byte[] Reply(byte[]? payload = null) => Transported(Server, Client, payload ?? Transport.Payload(40));

    private byte[] Transported(IPEndPoint from, IPEndPoint to, byte[] payload) => Protocol == Transport.Tcp
        ? Transport.TcpSegment(payload.Length, (ushort)from.Port, (ushort)to.Port)
        : Transport.UdpDatagram(payload, (ushort)from.Port, (ushort)to.Port);
}
