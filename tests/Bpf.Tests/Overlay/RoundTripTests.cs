using Accelerated.Bpf.Tests.Packets;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>What node 1 encapsulates, node 2 decapsulates; and both with what the kernel's driver wrote (tests/fixtures/vxlan).</summary>
public sealed class RoundTripTests(UnderlayNamespace underlay) : IDisposable
{
    // BPF_PROG_TEST_RUN takes less than a page; the capture has aggregates of up to 64 KiB.
    private const int LongestFrame = 3000;
    private const int IpId = 18;
    private const int IpChecksum = 24;
    private const int SourcePort = 34;
    private const int UdpChecksum = 40;

    private readonly OverlayRig _one = new(underlay, Nodes.One);
    private readonly OverlayRig _two = new(underlay, Nodes.Two);

    public void Dispose()
    {
        _one.Dispose();
        _two.Dispose();
    }

    [Fact]
    public void Frame_ThereAndOut_IsTheSame()
    {
        var ip = Nodes.InnerIp(Nodes.One, Nodes.Two);
        var count = 0;
        foreach (var (_, protocol, payload) in EncapsulationTests.Protocols.Select(row => row.Data))
        {
            for (var tos = 0; tos < 256; tos += 5)
            {
                var frame = Nodes.Inner(Nodes.One, Nodes.Two).Around((ip with { Protocol = protocol, Tos = (byte)tos }).Around(payload));
                var sent = _one.Out(frame);
                Assert.Equal(OverlayRig.Redirect, sent.ReturnValue);
                var received = _two.In(sent.Packet);
                Assert.Equal(OverlayRig.Redirect, received.ReturnValue);
                Assert.Equal(frame, received.Packet);
                count++;
            }
        }

        _one.ExpectCounters($"out taken={count}");
        _two.ExpectCounters($"in taken={count}");
    }

    [Fact]
    public void Header_ComparedWithTheDrivers_IsEqualButForWhatVaries()
    {
        // Our source port and the driver's are hashes with different seeds; each must tell the same flows apart or together.
        var ports = new Dictionary<(byte, byte), (byte, byte)>();
        var count = 0;
        foreach (var theirs in Captured(Nodes.One))
        {
            var run = _one.Out(theirs[Tunnel.Overhead..]);
            Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
            var ours = run.Packet;
            var theirPort = (theirs[SourcePort], theirs[SourcePort + 1]);
            var ourPort = (ours[SourcePort], ours[SourcePort + 1]);
            Assert.InRange(ourPort.Item1 << 8 | ourPort.Item2, 32768, 60999);
            Assert.Equal(ports.TryGetValue(theirPort, out var before) ? before : ourPort, ourPort);
            ports[theirPort] = ourPort;

            Assert.Equal(0, ours[UdpChecksum] | ours[UdpChecksum + 1]);
            Assert.NotEqual(0, theirs[UdpChecksum] | theirs[UdpChecksum + 1]);
            Assert.Equal(0xffff, Sum(ours)); // RFC 1071: a header with a right checksum sums up to all ones.
            foreach (var place in (int[])[IpId, IpChecksum, SourcePort, UdpChecksum])
                theirs.AsSpan(place, 2).CopyTo(ours.AsSpan(place));
            Assert.Equal(theirs, ours);
            count++;
        }

        Assert.True(count >= 20 && ports.Count >= 3, $"{count} packets of {ports.Count} flows were compared");
    }

    [Fact]
    public void Packets_OfTheDriver_AreDecapsulated()
    {
        var count = 0;
        foreach (var (from, receiver) in ((Node, OverlayRig)[])[(Nodes.One, _two), (Nodes.Two, _one)])
        {
            foreach (var packet in Captured(from))
            {
                var run = receiver.In(packet);
                Assert.Equal(OverlayRig.Redirect, run.ReturnValue);
                Assert.Equal(packet[Tunnel.Overhead..], run.Packet);
                count++;
            }
        }

        Assert.True(count >= 40, $"{count} packets were decapsulated");
    }

    private static IEnumerable<byte[]> Captured(Node from) =>
        CaptureFile.Read(Path.Combine(AppContext.BaseDirectory, "fixtures/vxlan/wire.pcap"))
            .Where(p => p.Length <= LongestFrame && p.AsSpan(26, 4).SequenceEqual(from.Underlay.GetAddressBytes()));

    private static int Sum(byte[] packet)
    {
        var sum = 0;
        for (var at = Ethernet.Length; at < Ethernet.Length + Ipv4.Length; at += 2)
            sum += packet[at] << 8 | packet[at + 1];
        return (sum & 0xffff) + (sum >> 16);
    }
}
