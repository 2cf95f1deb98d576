using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using Accelerated.Bpf.Tests.Packets;
using Accelerated.Interop;
using Microsoft.Win32.SafeHandles;

namespace Accelerated.Bpf.Tests;

/// <summary>
/// Conntrack's table of a network namespace, written through ctnetlink (linux/netfilter/nfnetlink_conntrack.h). Entries made this way are
/// confirmed, and a lookup finds no others.
/// </summary>
internal sealed partial class ConnectionTable(string namespacePath)
{
    private const int AF_INET = 2;
    private const int AF_NETLINK = 16;
    private const int SOCK_RAW = 3;
    private const int NETLINK_NETFILTER = 12;
    private const ushort NLM_F_REQUEST = 1;
    private const ushort NLM_F_ACK = 4;
    private const ushort NLM_F_EXCL = 0x200;
    private const ushort NLM_F_CREATE = 0x400;
    private const ushort NLMSG_ERROR = 2;
    private const ushort NLA_F_NESTED = 0x8000;
    private const uint IPS_CONFIRMED = 1 << 3;
    private const int CT_NEW = 1 << 8; // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
    private const int CT_DELETE = 1 << 8 | 2;

    /// <summary>Adds an entry.</summary>
    public void Add(Connection connection) => Send(CT_NEW, NLM_F_CREATE | NLM_F_EXCL, Describe(connection));

    /// <summary>Forgets all entries.</summary>
    public void Clear() => Send(CT_DELETE, 0, []);

    private static byte[] Describe(Connection c)
    {
        byte[] reply = Tuple(c.Protocol, c.ReplyFrom ?? c.Server, c.ReplyTo ?? c.Client);
        byte[] adjustment = Nested(15, [.. Number(1, 1u), .. Number(2, 2u), .. Number(3, 3u)]); // CTA_SEQ_ADJ_ORIG: position and offsets
        return
        [
            .. Nested(1, Tuple(c.Protocol, c.Client, c.Server)), // CTA_TUPLE_ORIG
            .. Nested(2, reply), // CTA_TUPLE_REPLY
            .. Number(3, c.Status | IPS_CONFIRMED), // CTA_STATUS
            .. Number(7, (uint)c.Timeout.TotalSeconds), // CTA_TIMEOUT
            .. Number(8, c.Mark), // CTA_MARK
            .. c.Protocol == Transport.Tcp ? Nested(4, Nested(1, Attribute(1, [c.TcpState]))) : [], // CTA_PROTOINFO, its TCP, its state
            .. c.NatSource is { } source ? Nested(6, Attribute(1, source.GetAddressBytes())) : [], // CTA_NAT_SRC, the lowest address
            .. c.NatDestination is { } destination ? Nested(13, Attribute(1, destination.GetAddressBytes())) : [], // CTA_NAT_DST
            .. c.AdjustsSequence ? adjustment : [],
        ];
    }

    private static byte[] Tuple(byte protocol, IPEndPoint from, IPEndPoint to) =>
    [
        .. Nested(1, [.. Attribute(1, from.Address.GetAddressBytes()), .. Attribute(2, to.Address.GetAddressBytes())]),
        .. Nested(2, [.. Attribute(1, [protocol]), .. Port(2, from.Port), .. Port(3, to.Port)]),
    ];

    private static byte[] Port(ushort type, int port) => Attribute(type, [(byte)(port >> 8), (byte)port]);

    private static byte[] Number(ushort type, uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return Attribute(type, bytes);
    }

    private static byte[] Nested(ushort type, byte[] attributes) => Attribute((ushort)(type | NLA_F_NESTED), attributes);

    // struct nlattr: length and type in the machine's order, the value, padding to four bytes.
    private static byte[] Attribute(ushort type, byte[] value)
    {
        var attribute = new byte[4 + (value.Length + 3 & ~3)];
        BitConverter.TryWriteBytes(attribute, (ushort)(4 + value.Length));
        BitConverter.TryWriteBytes(attribute.AsSpan(2), type);
        value.CopyTo(attribute, 4);
        return attribute;
    }

    private void Send(int type, ushort flags, byte[] attributes) => NetworkNamespace.Invoke(namespacePath, () =>
    {
        // struct nlmsghdr, struct nfgenmsg.
        var message = new byte[16 + 4 + attributes.Length];
        BitConverter.TryWriteBytes(message, message.Length);
        BitConverter.TryWriteBytes(message.AsSpan(4), (ushort)type);
        BitConverter.TryWriteBytes(message.AsSpan(6), (ushort)(NLM_F_REQUEST | NLM_F_ACK | flags));
        message[16] = AF_INET;
        attributes.CopyTo(message, 20);
        using var socket = new SafeFileHandle(OpenSocket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), ownsHandle: true);
        Assert.Equal(message.Length, Write(socket, message, (nuint)message.Length, 0));
        var answer = new byte[4096];
        Assert.InRange(Read(socket, answer, (nuint)answer.Length, 0), 20, answer.Length);
        Assert.Equal(NLMSG_ERROR, BitConverter.ToUInt16(answer, 4));
        var errno = -BitConverter.ToInt32(answer, 16);
        Assert.True(errno == 0, $"ctnetlink message {type:x} is refused: {Marshal.GetPInvokeErrorMessage(errno)}");
    });

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Write(SafeFileHandle socket, byte[] data, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint Read(SafeFileHandle socket, byte[] buffer, nuint length, int flags);
}
