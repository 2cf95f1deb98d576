using System.Buffers.Binary;
using System.Net;
using Accelerated.Interop.Netlink;
using Accelerated.Interop.Nftables;

namespace Accelerated.Interop.Tests.Netlink;

/// <summary>Parsing: exact results for good and for bad bytes, and a fuzz of everything a kernel message reaches.</summary>
public sealed class NetlinkReaderTests
{
    private const int Bad = 74; // EBADMSG

    private static readonly byte[] LinkMessage = new NetlinkWriter()
        .Struct(new IfInfoMsg { ifi_index = 5, ifi_flags = 0x11043 })
        .Text(3, "flannel.1")
        .Mac(1, MacAddress.Parse("76:19:b2:0f:7d:a4"))
        .U32(4, 1450)
        .U8(16, 6)
        .U32(37, 3)
        .Nested(18, info => info
            .Text(1, "vxlan")
            .Nested(2, data => data.U32(1, 77).U16BigEndian(15, 8472).U32(3, 2).Address(17, IPAddress.Parse("2001:db8::1")).Flag(23, true)))
        .Written.ToArray();

    private static readonly byte[] RouteMessage = new NetlinkWriter()
        .Struct(new RtMsg { rtm_family = 2, rtm_dst_len = 20, rtm_table = 254, rtm_protocol = 143, rtm_type = 1, rtm_flags = 4 })
        .Address(1, IPAddress.Parse("10.5.99.1"))
        .Bytes(18, [10, 0, .. IPAddress.Parse("2001:db8::9").GetAddressBytes()])
        .U32(4, 7)
        .U32(15, 1000)
        .Written.ToArray();

    private static readonly byte[] AddressMessage = new NetlinkWriter()
        .Struct(new IfAddrMsg { ifa_family = 2, ifa_prefixlen = 24, ifa_index = 4, ifa_flags = 0x80 })
        .Address(2, IPAddress.Parse("192.0.2.1"))
        .Address(1, IPAddress.Parse("192.0.2.2"))
        .Text(3, "eth0:1")
        .U32(8, 0x280)
        .Written.ToArray();

    private static readonly byte[] FdbMessage = new NetlinkWriter()
        .Struct(new NdMsg { ndm_family = 7, ndm_ifindex = 5, ndm_state = 0x80, ndm_flags = 2 })
        .Mac(2, MacAddress.Parse("6e:0b:24:f3:bc:5a"))
        .Address(1, IPAddress.Parse("192.0.2.2"))
        .U16BigEndian(6, 4789)
        .U32(7, 9)
        .Written.ToArray();

    private static readonly byte[] GenerationMessage = new NetlinkWriter()
        .Struct(default(NfGenMsg))
        .U32BigEndian(1, 12)
        .U32BigEndian(2, 4711)
        .Text(3, "nft")
        .Written.ToArray();

    [Fact]
    public void Link_OfABridgePortWithVlans_IsReadPastThem()
    {
        // As Linux 6.1 tells of a port (seen on Debian 12): under AF_BRIDGE IFLA_AF_SPEC holds the port's VLANs themselves, flags 6 and VLAN 1.
        var message = new NetlinkWriter()
            .Struct(new IfInfoMsg { ifi_family = 7, ifi_index = 6, ifi_flags = 0x11043 })
            .Text(3, "veth1")
            .U32(10, 4)
            .Nested(26, vlans => vlans.Bytes(2, [6, 0, 1, 0]))
            .Written.ToArray();

        var link = LinkMessages.Decode(message);

        Assert.Equal(("veth1", 6, 4, false), (link.Name, link.Index, link.MasterIndex, link.ForwardsIPv4));
    }

    [Fact]
    public void Decode_GoodMessages_GiveEveryField()
    {
        Assert.Equal(
            new Link(
                5,
                "flannel.1",
                "vxlan",
                MacAddress.Parse("76:19:b2:0f:7d:a4"),
                1450,
                IsUp: true,
                HasCarrier: true,
                OperState.Up,
                ParentNetns: 3,
                Flags: 0x11043,
                Vxlan: new()
                {
                    Vni = 77,
                    UnderlayIndex = 2,
                    Local = IPAddress.Parse("2001:db8::1"),
                    Gbp = true,
                    UdpChecksum = false,
                    AgeingSeconds = 0,
                }),
            LinkMessages.Decode(LinkMessage));
        Assert.Equal(
            new Route(IPNetwork.Parse("10.5.96.0/20"), IPAddress.Parse("2001:db8::9"), 7, 143, Table: 1000, OnLink: true),
            RouteMessages.Decode(RouteMessage));
        Assert.Equal(
            new InterfaceAddress(4, IPAddress.Parse("192.0.2.1"), 24, 0, 0x280, "eth0:1", IPAddress.Parse("192.0.2.2")),
            AddressMessages.Decode(AddressMessage));
        Assert.Equal(
            new FdbEntry(5, MacAddress.Parse("6e:0b:24:f3:bc:5a"), IPAddress.Parse("192.0.2.2"), Vni: 9, Port: 4789),
            NeighbourMessages.DecodeFdb(FdbMessage));
        Assert.Equal(new NftablesEvent(12, 4711, "nft", 99), NftablesEvent.From(new(new() { nlmsg_type = NftablesEvent.NewGeneration, nlmsg_pid = 99 }, GenerationMessage)));
    }

    [Theory]
    [InlineData("0f000000 0000 0000 00000000 00000000", "message of 15 bytes where 16 are left")]
    [InlineData("00000000 0000 0000 00000000 00000000", "message of 0 bytes where 16 are left")]
    [InlineData("11000000 0000 0000 00000000 00000000", "message of 17 bytes where 16 are left")]
    [InlineData("ffffffff 0000 0000 00000000 00000000", "message of 4294967295 bytes where 16 are left")]
    [InlineData("10000000 0000 0000 00000000 000000", "NlMsgHdr needs 16 bytes, 15 are left")]
    [InlineData("10000000 0000 0000 00000000 00000000 00", "NlMsgHdr needs 16 bytes, 1 are left")]
    public void TryRead_MessageDoesNotFit_SaysHow(string hex, string expected)
    {
        var e = Assert.Throws<NetlinkException>(() =>
        {
            var reader = new NetlinkReader(Hex(hex));
            while (reader.TryRead(out _))
            {
            }
        });

        Assert.Equal((Bad, expected), (e.Errno, e.ExtendedAck));
    }

    [Theory]
    [InlineData("0300 0100", "attribute of 3 bytes where 4 are left")]
    [InlineData("0000 0100", "attribute of 0 bytes where 4 are left")]
    [InlineData("0500 0100", "attribute of 5 bytes where 4 are left")]
    [InlineData("0800 0100 00000000 0000", "NlAttr needs 4 bytes, 2 are left")]
    [InlineData("0700 0100 0000 00", "attribute 1 has 3 bytes, not 4")]
    [InlineData("0c00 0100 0000000000000000", "attribute 1 has 8 bytes, not 4")]
    public void TryRead_AttributeDoesNotFit_SaysHow(string hex, string expected)
    {
        var e = Assert.Throws<NetlinkException>(() =>
        {
            var reader = new AttributeReader(Hex(hex));
            while (reader.TryRead(out var attribute))
                attribute.U32();
        });

        Assert.Equal((Bad, expected), (e.Errno, e.ExtendedAck));
    }

    [Fact]
    public void TryRead_LastAttributeWithoutPadding_IsRead()
    {
        var reader = new AttributeReader(Hex("0500 0180 07000000 0500 0240 08"));

        Assert.True(reader.TryRead(out var first));
        Assert.Equal((1, 7), (first.Type, first.U8())); // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
        Assert.True(reader.TryRead(out var second));
        Assert.Equal((2, 8), (second.Type, second.U8()));
        Assert.False(reader.TryRead(out _));
    }

    [Fact]
    public void Decode_ContradictoryMessages_AreRefused()
    {
        var noAddress = new NetlinkWriter().Struct(new IfAddrMsg { ifa_family = 2 }).Written.ToArray();
        var wrongFamily = new NetlinkWriter().Struct(new IfAddrMsg { ifa_family = 10 }).Address(1, IPAddress.Loopback).Written.ToArray();
        var longPrefix = new NetlinkWriter().Struct(new RtMsg { rtm_family = 2, rtm_dst_len = 33 }).Written.ToArray();
        var threeBytes = new NetlinkWriter().Struct(new RtMsg { rtm_family = 2 }).Bytes(5, [1, 2, 3]).Written.ToArray();
        var shortVia = new NetlinkWriter().Struct(new RtMsg { rtm_family = 2 }).Bytes(18, [10]).Written.ToArray();
        var strangeVia = new NetlinkWriter().Struct(new RtMsg { rtm_family = 2 }).Bytes(18, [10, 1, 0, 0, 0, 0]).Written.ToArray();
        var nobody = new NetlinkWriter().Struct(new NdMsg { ndm_family = 2 }).Written.ToArray();

        Refused(() => AddressMessages.Decode(noAddress), "address message without an address");
        Refused(() => AddressMessages.Decode(wrongFamily), "address 127.0.0.1/0 in a message of family 10");
        Refused(() => RouteMessages.Decode(longPrefix), "prefix /33 in a message of family 2");
        Refused(() => RouteMessages.Decode(threeBytes), "attribute 5 is an address of 3 bytes");
        Refused(() => RouteMessages.Decode(shortVia), "RTA_VIA of an unknown family");
        Refused(() => RouteMessages.Decode(strangeVia), "RTA_VIA of an unknown family");
        Refused(() => NeighbourMessages.DecodeNeighbour(nobody), "neighbour message of family 2 about ''");
        Refused(() => LinkMessages.Decode(LinkMessage.AsSpan(0, 15)), "IfInfoMsg needs 16 bytes, 15 are left");

        static void Refused(Action decode, string expected)
        {
            var e = Assert.Throws<NetlinkException>(decode);
            Assert.Equal((Bad, expected), (e.Errno, e.ExtendedAck));
        }
    }

    [Theory]
    [InlineData(2, 0x300, "eaffffff 00000000 0000 0000 00000000 00000000 0700 0100 6e6f00 00", 22, "no")] // Capped: header only, then attributes.
    [InlineData(2, 0x200, "eaffffff 14000000 0000 0000 00000000 00000000 deadbeef 0700 0100 6e6f00 00", 22, "no")] // The request is echoed.
    [InlineData(2, 0x100, "eaffffff 00000000 0000 0000 00000000 00000000", 22, null)]
    [InlineData(2, 0x300, "00000000 00000000 0000 0000 00000000 00000000", 0, null)]
    [InlineData(3, 0x200, "feffffff 0600 0100 6e6f 0000", 2, "no")] // NLMSG_DONE: attributes follow at once.
    [InlineData(3, 0x002, "00000000", 0, null)]
    public void ReadError_Answers_GiveErrnoAndWords(int type, int flags, string hex, int errno, string? text)
    {
        var message = new NetlinkMessage(new() { nlmsg_type = (ushort)type, nlmsg_flags = (ushort)flags }, Hex(hex));

        Assert.Equal((errno, text), message.ReadError());
    }

    [Theory]
    [InlineData(0x300, "eaffff", "Int32 needs 4 bytes, 3 are left")]
    [InlineData(0x300, "01000000 00000000 0000 0000 00000000 00000000", "error code 1")]
    [InlineData(0x300, "00000080 00000000 0000 0000 00000000 00000000", "error code -2147483648")] // Has no positive counterpart.
    [InlineData(0x300, "eaffffff 00000000", "NlMsgHdr needs 16 bytes, 4 are left")]
    [InlineData(0x200, "eaffffff ffffffff 0000 0000 00000000 00000000", "error echoes 4294967295 bytes of 16")]
    [InlineData(0x200, "eaffffff 01000000 0000 0000 00000000 00000000", "error echoes 1 bytes of 16")]
    [InlineData(0x300, "eaffffff 00000000 0000 0000 00000000 00000000 ff00 0100", "attribute of 255 bytes where 4 are left")]
    public void ReadError_HostileAnswers_AreRefused(int flags, string hex, string expected)
    {
        var e = Assert.Throws<NetlinkException>(
            () => new NetlinkMessage(new() { nlmsg_type = 2, nlmsg_flags = (ushort)flags }, Hex(hex)).ReadError());

        Assert.Equal((Bad, expected), (e.Errno, e.ExtendedAck));
    }

    [Fact]
    public void Parse_DamagedMessages_ThrowOnlyNetlinkException()
    {
        var random = new Random(20260101);
        (ushort Type, byte[] Payload)[] good =
        [
            (16, LinkMessage), (20, AddressMessage), (24, RouteMessage), (28, FdbMessage), (NftablesEvent.NewGeneration, GenerationMessage),
        ];
        int parsed = 0, refused = 0;
        for (var round = 0; round < 100_000; round++)
        {
            var writer = new NetlinkWriter();
            foreach (var (type, payload) in random.GetItems(good, random.Next(1, 4)))
                writer.Message((ushort)(type + (random.Next(8) == 0 ? 1 : 0)), 0, 1, payload);
            var bytes = Damage(writer.Written.ToArray(), random);
            try
            {
                ParseAll(bytes);
                parsed++;
            }
            catch (NetlinkException e) when (e.Errno == Bad)
            {
                refused++;
            }
        }

        // Both outcomes must be common, or the damage is too small or too great to show anything.
        Assert.InRange(parsed, 10_000, 90_000);
        Assert.InRange(refused, 10_000, 90_000);
    }

    private static void ParseAll(byte[] datagram)
    {
        var reader = new NetlinkReader(datagram);
        while (reader.TryRead(out var message))
        {
            _ = RouteEvent.From(message);
            _ = NftablesEvent.From(message);
            switch (message.Type)
            {
                case 2 or 3:
                    _ = message.ReadError();
                    break;
                case 28 or 29:
                    _ = NeighbourMessages.DecodeNeighbour(message.Payload)?.ToString();
                    _ = NeighbourMessages.DecodeFdb(message.Payload)?.ToString();
                    break;
                case 24 or 25:
                    _ = RouteMessages.Decode(message.Payload)?.ToString();
                    break;
                case 16 or 17:
                    _ = LinkMessages.Decode(message.Payload).ToString();
                    break;
            }
        }
    }

    // Lengths and types are where a parser goes wrong, so half of the damage goes to the first bytes of 4-byte words.
    private static byte[] Damage(byte[] bytes, Random random)
    {
        for (var i = random.Next(4); i > 0; i--)
        {
            var at = random.Next(bytes.Length);
            if (random.Next(2) == 0)
                at &= ~3;
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(24);
                    break;
                case 2 when at + 2 <= bytes.Length:
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), (ushort)random.Next(65536));
                    break;
                default:
                    bytes = bytes[..Math.Max(1, random.Next(bytes.Length))];
                    break;
            }
        }

        return bytes;
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));
}
