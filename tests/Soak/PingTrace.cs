using System.Globalization;
using System.Text.RegularExpressions;

namespace Accelerated.Soak;

/// <summary>Which echo requests of a long run were not answered, and when they were sent.</summary>
/// <param name="Sent">Requests up to the last one that was answered.</param>
/// <param name="Lost">When each that was not answered was sent, as reckoned from those around it.</param>
/// <param name="LastAnswer">When the last answer came.</param>
internal sealed partial record PingTrace(int Sent, IReadOnlyList<DateTimeOffset> Lost, DateTimeOffset LastAnswer)
{
    private const int SequenceNumbers = 65536;

    /// <summary>Reads what <c>ping -D</c> (iputils) has printed so far.</summary>
    public static PingTrace Parse(string output)
    {
        var answers = new SortedDictionary<int, DateTimeOffset>();
        var highest = 0;
        foreach (Match reply in Reply().Matches(output))
        {
            // The sequence number on the wire has 16 bits; a long run starts again at 0.
            var sequence = highest - (highest % SequenceNumbers) + int.Parse(reply.Groups["seq"].Value, CultureInfo.InvariantCulture);
            if (sequence < highest - (SequenceNumbers / 2))
                sequence += SequenceNumbers;
            answers.TryAdd(sequence, DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(reply.Groups["at"].Value, CultureInfo.InvariantCulture)));
            highest = Math.Max(highest, sequence);
        }

        var lost = new List<DateTimeOffset>();
        var (previous, at) = (0, DateTimeOffset.MinValue);
        foreach (var (sequence, answered) in answers)
        {
            for (var missing = previous + 1; missing < sequence; missing++)
                lost.Add(previous == 0 ? answered : at + ((answered - at) * ((double)(missing - previous) / (sequence - previous))));
            (previous, at) = (sequence, answered);
        }

        return new PingTrace(previous, lost, at);
    }

    [GeneratedRegex(@"^\[(?<at>[\d.]+)\] \d+ bytes from .*icmp_seq=(?<seq>\d+) ", RegexOptions.Multiline)]
    private static partial Regex Reply();
}
