using System.Globalization;
using System.Text.RegularExpressions;
using Accelerated.Lab;

namespace Accelerated.Soak;

/// <summary>A line of an agent's log.</summary>
/// <param name="At">When; null where the line is not of the agent's making.</param>
/// <param name="Level"><c>info</c>, <c>warn</c>, <c>error</c>, <c>fatal</c>; empty likewise.</param>
/// <param name="Message">Area and message, or the whole line.</param>
internal sealed partial record LogLine(DateTimeOffset? At, string Level, string Message)
{
    /// <summary>Whether somebody who reads the log has to ask why.</summary>
    public bool WantsExplanation => Level is not ("info" or "debug");

    /// <summary>All lines of a node.</summary>
    public static IEnumerable<LogLine> Of(LabNode node) => LogFiles.Read(node.LogFile).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse);

    private static LogLine Parse(string line)
    {
        var match = Form().Match(line);
        return match.Success
            ? new LogLine(DateTimeOffset.Parse(match.Groups["at"].Value, CultureInfo.InvariantCulture), match.Groups["level"].Value, match.Groups["message"].Value)
            : new LogLine(null, "", line);
    }

    [GeneratedRegex(@"^(?<at>\d{4}-\d\d-\d\dT[\d:.]+Z) (?<level>[a-z]+) +(?<message>\S+: .*)$")]
    private static partial Regex Form();
}
