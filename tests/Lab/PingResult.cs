using System.Globalization;
using System.Text.RegularExpressions;

namespace Accelerated.Lab;

/// <summary>What became of a run of echo requests.</summary>
/// <param name="Sent">Echo requests sent.</param>
/// <param name="Received">Requests that were answered, duplicates not counted.</param>
/// <param name="Lost">
/// Requests that were not answered. One at the very end that had no time to be answered before ping was stopped does not count.
/// </param>
/// <param name="Duplicates">Second and further answers to a request.</param>
/// <param name="LongestGap">The longest time between two answers; zero if there were fewer than two.</param>
public sealed partial record PingResult(int Sent, int Received, int Lost, int Duplicates, TimeSpan LongestGap)
{
    /// <summary>
    /// Requests after the last one that was answered. At short intervals several may be under way when ping is stopped; whoever has seen answers
    /// just before may take them for that.
    /// </summary>
    public int AfterLastAnswer { get; init; }

    private const int SequenceNumbers = 65536;

    /// <summary>Reads what <c>ping -D</c> (iputils) printed, including the statistics at the end.</summary>
    /// <param name="output">Its standard output.</param>
    /// <param name="stopped">Whether it was stopped by a signal, so that the last request may still be under way.</param>
    /// <exception cref="LabException">There are no statistics.</exception>
    public static PingResult Parse(string output, bool stopped)
    {
        var statistics = Statistics().Match(output);
        if (!statistics.Success)
            throw new LabException($"ping did not report:\n{output}");

        var answered = new HashSet<int>();
        var (highest, duplicates) = (0, 0);
        var (previous, longest) = (0m, 0m);
        foreach (Match reply in Reply().Matches(output))
        {
            var sequence = Unwrap(int.Parse(reply.Groups["seq"].Value, CultureInfo.InvariantCulture), highest);
            if (!answered.Add(sequence))
            {
                duplicates++;
                continue;
            }
            highest = Math.Max(highest, sequence);
            var at = decimal.Parse(reply.Groups["at"].Value, CultureInfo.InvariantCulture);
            longest = previous == 0 ? 0 : Math.Max(longest, at - previous);
            previous = at;
        }

        var sent = int.Parse(statistics.Groups["sent"].Value, CultureInfo.InvariantCulture);
        var lost = sent - answered.Count;
        var lastUnderWay = stopped && highest == sent - 1;
        return new PingResult(sent, answered.Count, lastUnderWay ? lost - 1 : lost, duplicates, TimeSpan.FromSeconds((double)longest)) { AfterLastAnswer = sent - highest };
    }

    // The sequence number on the wire has 16 bits; a long run starts again at 0.
    private static int Unwrap(int sequence, int highest)
    {
        var candidate = highest - (highest % SequenceNumbers) + sequence;
        return candidate < highest - (SequenceNumbers / 2) ? candidate + SequenceNumbers : candidate;
    }

    [GeneratedRegex(@"^\[(?<at>[\d.]+)\] \d+ bytes from .*icmp_seq=(?<seq>\d+) ", RegexOptions.Multiline)]
    private static partial Regex Reply();

    [GeneratedRegex(@"^(?<sent>\d+) packets transmitted, \d+ received", RegexOptions.Multiline)]
    private static partial Regex Statistics();
}
