using System.Buffers.Binary;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Bench.Receive;

/// <summary><c>struct plan</c> of flood.bpf.c: the only value of its map.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FloodPlan
{
    /// <summary>Frames of this many are legitimate ones, spread evenly.</summary>
    public const int Shares = 1024;

    /// <summary>Where frames go out.</summary>
    public uint Interface;

    /// <summary>Of <see cref="Shares"/>.</summary>
    public uint LegitimateShare;

    /// <summary>Nanoseconds from frame to frame; 0: none.</summary>
    public ulong Interval;

    private readonly ulong _credit;

    /// <summary>When the program saw its first frame, in nanoseconds of CLOCK_MONOTONIC.</summary>
    public readonly ulong Begun;

    /// <summary>When the next one would be sent.</summary>
    public readonly ulong Next;

    /// <summary>Counted by the program.</summary>
    public ulong SentLegitimate;

    /// <summary>Counted by the program.</summary>
    public ulong SentForged;

    /// <summary>Counted by <c>bare_drop</c>.</summary>
    public ulong Refused;

    /// <summary>A frame of a peer.</summary>
    public FloodFrame Legitimate;

    /// <summary>A frame of nobody.</summary>
    public FloodFrame Forged;

    // The struct in C ends at a multiple of eight bytes.
    private readonly uint _padding;

    /// <summary>Opens and loads the object.</summary>
    /// <exception cref="NativeException">The kernel refuses it.</exception>
    public static BpfObject Load()
    {
        using var resource = typeof(FloodPlan).Assembly.GetManifestResourceStream("flood.bpf.o")!;
        var elf = new byte[resource.Length];
        resource.ReadExactly(elf);
        var flood = BpfObject.Open(elf, "flood");
        flood.Load();
        return flood;
    }
}

/// <summary>A VXLAN packet as it is on the wire: 50 bytes of outer headers and an Ethernet frame of 64.</summary>
[InlineArray(Size)]
internal struct FloodFrame
{
    /// <summary>In bytes.</summary>
    public const int Size = 114;

    private byte _first;

    /// <summary>Writes one.</summary>
    /// <param name="outer">Who sends it to whom on the underlay.</param>
    /// <param name="inner">Who sends it to whom in the overlay, by VTEPs' addresses.</param>
    /// <param name="port">UDP, inner source and destination.</param>
    public static FloodFrame Of(FloodEnds outer, FloodEnds inner, ushort port)
    {
        const ushort vxlanPort = 8472, sourcePort = 49152;
        const int ip = 14, udp = ip + 20, vxlan = udp + 8, innerFrame = vxlan + 8;
        var frame = default(FloodFrame);
        Span<byte> bytes = frame;
        Datagram(bytes, outer, sourcePort, vxlanPort);
        bytes[vxlan] = 0x08; // RFC 7348, 5: the VNI is valid.
        bytes[vxlan + 6] = 1;
        Datagram(bytes[innerFrame..], inner, port, port);
        return frame;

        static void Datagram(Span<byte> bytes, FloodEnds ends, ushort source, ushort destination)
        {
            const byte dontFragment = 0x40, hops = 64, ofUdp = 17;
            Span<byte> header = bytes[ip..udp], datagram = bytes[udp..];
            ends.DestinationMac.CopyTo(bytes);
            ends.SourceMac.CopyTo(bytes[MacAddress.Length..]);
            BinaryPrimitives.WriteUInt16BigEndian(bytes[12..], 0x0800);
            header[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)(header.Length + datagram.Length));
            (header[6], header[8], header[9]) = (dontFragment, hops, ofUdp);
            _ = ends.Source.TryWriteBytes(header[12..], out _) && ends.Destination.TryWriteBytes(header[16..], out _);
            BinaryPrimitives.WriteUInt16BigEndian(header[10..], Checksum(header));
            // Without a checksum, as VXLAN's outer datagrams are (RFC 7348, 4.1).
            BinaryPrimitives.WriteUInt16BigEndian(datagram, source);
            BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], destination);
            BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)datagram.Length);
        }
    }

    // RFC 1071, of a header whose checksum is still zero.
    private static ushort Checksum(ReadOnlySpan<byte> header)
    {
        uint sum = 0;
        for (var i = 0; i < header.Length; i += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(header[i..]);
        while (sum >> 16 != 0)
            sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }
}

/// <summary>Both ends of a datagram.</summary>
internal sealed record FloodEnds(MacAddress SourceMac, IPAddress Source, MacAddress DestinationMac, IPAddress Destination);
