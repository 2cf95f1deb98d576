using System.Buffers.Binary;

namespace Accelerated.Bpf.Tests.Packets;

/// <summary>The packets of a pcap file (little-endian, microseconds, Ethernet).</summary>
internal static class CaptureFile
{
    public static List<byte[]> Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        Assert.Equal(0xa1b2c3d4, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        var packets = new List<byte[]>();
        for (var at = 24; at < bytes.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 8));
            packets.Add(bytes.AsSpan(at + 16, length).ToArray());
            at += 16 + length;
        }

        return packets;
    }
}
