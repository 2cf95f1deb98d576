using System.Text.Json;

namespace Accelerated.Lab;

/// <summary>What iperf3 measured, as the receiver saw it.</summary>
/// <param name="BitsPerSecond">Payload received, in bit/s.</param>
/// <param name="Retransmits">TCP segments sent again; 0 for UDP.</param>
/// <param name="Report">The whole report of the client (<c>iperf3 -J</c>).</param>
public sealed record IperfResult(double BitsPerSecond, long Retransmits, JsonElement Report)
{
    /// <summary>Reads the report of a client that has exited.</summary>
    /// <exception cref="LabException">iperf3 reports an error, or nothing that can be read.</exception>
    public static IperfResult Parse(CommandResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        try
        {
            using var document = JsonDocument.Parse(result.Stdout);
            var report = document.RootElement.Clone();
            if (report.TryGetProperty("error", out var error))
                throw new LabException($"iperf3 says: {error}\n{result.CommandLine}");
            var end = report.GetProperty("end");
            var received = end.TryGetProperty("sum_received", out var sum) ? sum : end.GetProperty("sum");
            var retransmits = end.TryGetProperty("sum_sent", out var sent) && sent.TryGetProperty("retransmits", out var n) ? n.GetInt64() : 0;
            return new IperfResult(received.GetProperty("bits_per_second").GetDouble(), retransmits, report);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException)
        {
            throw new LabException($"no report from: {result.CommandLine} (exit code {result.ExitCode})\n{result.Stdout}{result.Stderr}", e);
        }
    }
}
