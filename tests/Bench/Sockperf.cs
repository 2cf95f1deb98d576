using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>The load made by sockperf: a short message there and back on one connection, again and again.</summary>
internal static partial class Sockperf
{
    // Its own: it cannot bind one where connections of others were closed a moment ago.
    private const int Port = 5202;

    // Its own warm-up takes 0.4 s of it.
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(80);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    /// <summary>Half of the median time, in microseconds.</summary>
    public static async Task<Reading> RoundTripsAsync(Course course)
    {
        var port = Text(Port);
        await using var server = course.Server.Start([.. OneCpu.Server, "sockperf", "server", "--tcp", "-i", course.ServerAddress.ToString(), "-p", port]);
        await server.WaitListeningAsync(Port, course.Cancel);
        var client = course.Client.ExecAsync(
            [
                .. OneCpu.Client, "sockperf", "ping-pong", "--tcp", "-i", course.Target.ToString(), "-p", port,
                "-t", Text((int)(Settle + course.Duration).TotalSeconds),
            ],
            stdin: null, Settle + course.Duration + Grace, course.Cancel);
        await course.SettledAsync();
        // It looks at its clock for seconds before it sends anything. When it ends is plain to see.
        var looks = new List<CpuTime>();
        while (!client.IsCompleted)
        {
            looks.Add(CpuTime.Read());
            await Task.Delay(Look, course.Cancel);
        }

        var output = (await client).OrThrow().Stdout;
        var last = looks[^2];
        var first = looks.First(l => Stopwatch.GetElapsedTime(l.Timestamp, last.Timestamp) <= course.Duration);
        return new Reading(Figure(Median(), output), Figure(Received(), output) / Figure(RunTime(), output), last.PerSecondSince(first));
    }

    private static double Figure(Regex wanted, string output) =>
        wanted.Match(output) is { Success: true } found
            ? double.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture)
            : throw new LabException($"sockperf says nothing that fits {wanted}:\n{output}");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"percentile 50\.000 =\s+([0-9.]+)")]
    private static partial Regex Median();

    [GeneratedRegex(@"\[Valid Duration\].*?ReceivedMessages=([0-9]+)")]
    private static partial Regex Received();

    [GeneratedRegex(@"\[Valid Duration\] RunTime=([0-9.]+)")]
    private static partial Regex RunTime();
}
