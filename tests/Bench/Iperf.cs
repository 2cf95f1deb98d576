using System.Globalization;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>Loads made by iperf3. Figures are the receiver's.</summary>
internal static class Iperf
{
    private const int DatagramSize = 64;
    private const int Flows = 32;
    private const double BitsPerByte = 8;
    private const double Giga = 1e9;
    private const double Kilo = 1e3;

    /// <summary>
    /// Conntrack takes a UDP flow for a lasting one (ASSURED, which lane 2 wants) two seconds after both sides were heard
    /// (nf_conntrack_proto_udp.c): what comes before is left out, in every arm.
    /// </summary>
    private static readonly TimeSpan DatagramsSettle = TimeSpan.FromSeconds(3);

    /// <summary>An agent that was just started has things to do for a moment; they are not the network's.</summary>
    private static readonly TimeSpan StreamsSettle = TimeSpan.FromSeconds(1);

    // iperf3 needs a moment to connect, and to end; CPU time is taken from between.
    private static readonly TimeSpan Margin = TimeSpan.FromMilliseconds(80);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    /// <summary>One TCP flow.</summary>
    public static Task<Reading> StreamAsync(Course course) => BytesAsync(course, []);

    /// <summary>32 TCP flows from one process.</summary>
    public static Task<Reading> ManyStreamsAsync(Course course) => BytesAsync(course, ["-P", Text(Flows)]);

    /// <summary>UDP datagrams with 64 bytes of payload, as fast as they can be sent; those that were received count.</summary>
    public static async Task<Reading> DatagramsAsync(Course course)
    {
        var (bits, cpu) = await RunAsync(course, ["-u", "-l", Text(DatagramSize), "-b", "0"], DatagramsSettle);
        var packets = bits / BitsPerByte / DatagramSize;
        return new Reading(packets / Kilo, packets, cpu);
    }

    private static async Task<Reading> BytesAsync(Course course, string[] arguments)
    {
        var (bits, cpu) = await RunAsync(course, arguments, StreamsSettle);
        return new Reading(bits / Giga, bits / BitsPerByte, cpu);
    }

    private static async Task<(double BitsPerSecond, double CpuPerSecond)> RunAsync(Course course, string[] arguments, TimeSpan settle)
    {
        var port = Text(Course.Port);
        await using var server = course.Server.Start("iperf3", "-s", "-1", "-B", course.ServerAddress.ToString(), "-p", port);
        await server.WaitListeningAsync(Course.Port, course.Cancel);
        string[] command =
        [
            "iperf3", "-J", "-c", course.Target.ToString(), "-p", port, "-t", Text((int)course.Duration.TotalSeconds),
            "-O", Text((int)settle.TotalSeconds), .. arguments,
        ];
        var client = course.Client.ExecAsync(command, stdin: null, settle + course.Duration + Grace, course.Cancel);
        await Task.Delay(settle - (3 * Margin), course.Cancel);
        await course.SettledAsync();
        await Task.Delay(3 * Margin, course.Cancel);
        await Task.Delay(Margin, course.Cancel);
        var before = CpuTime.Read();
        await Task.Delay(course.Duration - (2 * Margin), course.Cancel);
        var cpu = CpuTime.Read().PerSecondSince(before);
        return (IperfResult.Parse(await client).BitsPerSecond, cpu);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
