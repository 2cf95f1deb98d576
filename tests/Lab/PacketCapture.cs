using System.Buffers.Binary;

namespace Accelerated.Lab;

/// <summary>A running tcpdump that writes what it sees to a file.</summary>
public sealed class PacketCapture : IAsyncDisposable
{
    private const int FileHeader = 24;
    private const int RecordHeader = 16;

    private readonly LabHost _host;
    private readonly BackgroundCommand _tcpdump;

    internal PacketCapture(LabHost host, BackgroundCommand tcpdump, string file)
    {
        _host = host;
        _tcpdump = tcpdump;
        PcapFile = file;
    }

    /// <summary>The file, in pcap format, of the machine's byte order and with microseconds.</summary>
    public string PcapFile { get; }

    /// <summary>Waits until a number of packets has been written.</summary>
    /// <exception cref="LabException">They did not come in time, or tcpdump has exited.</exception>
    public Task WaitPacketsAsync(int count, TimeSpan? deadline = null, CancellationToken cancel = default) =>
        _tcpdump.WaitAsync($"{count} packets", () => Packets().Count >= count, deadline, cancel);

    /// <summary>The packets written so far, each from its link-layer header on.</summary>
    public IReadOnlyList<byte[]> Packets()
    {
        // Layout: pcap-savefile(5). A record that is only half written yet is left for the next look.
        var file = File.ReadAllBytes(PcapFile);
        var packets = new List<byte[]>();
        for (var at = FileHeader; at + RecordHeader <= file.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + 8));
            at += RecordHeader;
            if (at + length > file.Length)
                break;
            packets.Add(file[at..(at + length)]);
            at += length;
        }
        return packets;
    }

    /// <summary>The packets as tcpdump shows them, one element per line of its output.</summary>
    /// <param name="arguments">How to show them, such as <c>-e</c>, <c>-v</c> or <c>-T vxlan</c>.</param>
    /// <exception cref="LabException">tcpdump cannot read the file.</exception>
    public async Task<IReadOnlyList<string>> LinesAsync(params string[] arguments) =>
        (await _host.RunAsync(["tcpdump", "-Z", "root", "-n", "-r", PcapFile, .. arguments])).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Stops tcpdump; the file stays until the lab goes down.</summary>
    public Task StopAsync() => _tcpdump.StopAsync("INT");

    /// <summary>Kills tcpdump, if it still runs.</summary>
    public ValueTask DisposeAsync() => _tcpdump.DisposeAsync();
}
