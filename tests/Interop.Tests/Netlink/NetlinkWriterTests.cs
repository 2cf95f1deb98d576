using System.Net;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Tests.Netlink;

/// <summary>The struct codec against bytes written out field by field (little-endian, as on every machine this product runs on).</summary>
public sealed class NetlinkWriterTests
{
    [Fact]
    public void Message_HeaderAndPayload_AreLaidOutAsInNetlinkH()
    {
        var writer = new NetlinkWriter(capacity: 4);

        writer.Message(0x1234, 0x0506, 0x0708090a, [0xaa, 0xbb, 0xcc]);
        writer.Message(1, 2, 3, []);

        Assert.Equal(
            Hex("13000000 3412 0605 0a090807 00000000 aabbcc 00" // Length counts the payload, not its padding.
                + "10000000 0100 0200 03000000 00000000"),
            writer.Written.ToArray());
    }

    [Fact]
    public void Attributes_EverySort_AreLaidOutAsInNetlinkH()
    {
        var writer = new NetlinkWriter(capacity: 4)
            .U8(1, 0x7f)
            .Bool(2, true)
            .U16(3, 0x0102)
            .U16BigEndian(4, 0x0102)
            .U32(5, 0x01020304)
            .U32BigEndian(6, 0x01020304)
            .Flag(7, true)
            .Flag(8, false)
            .Text(9, "äb")
            .Address(10, IPAddress.Parse("192.0.2.1"))
            .Address(11, IPAddress.Parse("2001:db8::1"))
            .Mac(12, MacAddress.Parse("01:02:03:04:05:06"))
            .Nested(13, outer => outer.Nested(14, inner => inner.U8(15, 1)).U8(16, 2));

        Assert.Equal(
            Hex("0500 0100 7f000000 0500 0200 01000000 0600 0300 02010000 0600 0400 01020000 0800 0500 04030201 0800 0600 01020304 0400 0700"
                + "0800 0900 c3a46200 0800 0a00 c0000201 1400 0b00 20010db8000000000000000000000001 0a00 0c00 0102030405060000"
                + "1800 0d80 0c00 0e80 0500 0f00 01000000 0500 1000 02000000"),
            writer.Written.ToArray());
    }

    [Fact]
    public void Clear_UsedBuffer_PaddingIsZeroAgain()
    {
        var writer = new NetlinkWriter(capacity: 8);
        writer.U32(1, uint.MaxValue);
        writer.Clear();

        Assert.Equal(Hex("0500 0100 7f000000"), writer.U8(1, 0x7f).Written.ToArray());
    }

    [Fact]
    public void Bytes_LongerThanAnAttribute_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => new NetlinkWriter().Bytes(1, new byte[65532]));
        Assert.Throws<ArgumentException>(() => new NetlinkWriter().Nested(1, n => n.Bytes(2, new byte[40000]).Bytes(3, new byte[40000])));
        Assert.Equal(65536, new NetlinkWriter().Bytes(1, new byte[65531]).Length);
    }

    [Fact]
    public void FamilyHeaders_EveryField_IsWhereTheKernelReadsIt()
    {
        Assert.Equal(
            Hex("01 02 0403 08070605 0c0b0a09 100f0e0d"),
            Bytes(new IfInfoMsg { ifi_family = 1, ifi_pad = 2, ifi_type = 0x0304, ifi_index = 0x05060708, ifi_flags = 0x090a0b0c, ifi_change = 0x0d0e0f10 }));
        Assert.Equal(
            Hex("01 02 03 04 08070605"),
            Bytes(new IfAddrMsg { ifa_family = 1, ifa_prefixlen = 2, ifa_flags = 3, ifa_scope = 4, ifa_index = 0x05060708 }));
        Assert.Equal(
            Hex("01 02 03 04 05 06 07 08 0c0b0a09"),
            Bytes(new RtMsg
            {
                rtm_family = 1,
                rtm_dst_len = 2,
                rtm_src_len = 3,
                rtm_tos = 4,
                rtm_table = 5,
                rtm_protocol = 6,
                rtm_scope = 7,
                rtm_type = 8,
                rtm_flags = 0x090a0b0c,
            }));
        Assert.Equal(
            Hex("01 02 0403 08070605 0a09 0b 0c"),
            Bytes(new NdMsg { ndm_family = 1, ndm_pad1 = 2, ndm_pad2 = 0x0304, ndm_ifindex = 0x05060708, ndm_state = 0x090a, ndm_flags = 11, ndm_type = 12 }));

        static byte[] Bytes<T>(T value)
            where T : unmanaged => new NetlinkWriter().Struct(value).Written.ToArray();
    }

    [Fact]
    public void ReplaceRoute_FlannelsRoute_IsByteForByteWhatIpSends()
    {
        // ip route replace 10.5.88.0/24 via 10.5.88.0 dev (5) onlink proto 143, plus the table as an attribute.
        var route = new Route(IPNetwork.Parse("10.5.88.0/24"), IPAddress.Parse("10.5.88.0"), 5, RouteProtocol.Accelerated, OnLink: true);
        var request = RouteRequest.ReplaceRoute(route);

        Assert.Equal((24, 0x500), (request.Type, request.Flags));
        Assert.Equal(
            Hex("02 18 00 00 fe 8f 00 01 04000000 0800 0100 0a055800 0800 0f00 fe000000 0800 0400 05000000 0800 0500 0a055800"),
            request.Payload.ToArray());
        Assert.Equal("replace route 10.5.88.0/24 via 10.5.88.0 dev #5 proto 143 onlink", request.Description);
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));
}
