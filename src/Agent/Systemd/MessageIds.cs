using System.Globalization;

namespace Accelerated.Agent.Systemd;

/// <summary>
/// Message ids of the journal: 128 bits in hexadecimal, the last four digits of which are the number of the event in the agent's log. So
/// they can be told from the code, and never change.
/// </summary>
public static class MessageIds
{
    /// <summary>What all of them begin with, drawn once.</summary>
    public const string Prefix = "7cefe8fc13e74b0b851de3c03a55";

    /// <summary>The id of an event.</summary>
    /// <param name="eventId">1 to 9999: the number in its LoggerMessage.</param>
    public static string Of(int eventId)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(eventId);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(eventId, 9999);
        return Prefix + eventId.ToString("D4", CultureInfo.InvariantCulture);
    }
}
