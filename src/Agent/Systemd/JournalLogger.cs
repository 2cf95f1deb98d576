using System.Globalization;
using System.Text;
using Accelerated.Agent.Cli;
using Accelerated.Interop.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Systemd;

/// <summary>
/// Writes events to the journal, with their parts as fields: <c>MESSAGE_ID</c> tells the kind of event, <c>ACCELERATED_SUBNET</c> and the like
/// what it is about (docs/operations.md).
/// </summary>
internal sealed class JournalLogger(string category, string instance, Func<IReadOnlyList<KeyValuePair<string, string>>, bool> send) : ILogger
{
    private const string FieldPrefix = "ACCELERATED_";

    // journald leaves out fields with longer names (systemd.journal-fields(7)).
    private const int LongestName = 64;

    private readonly string _area = LogFormatter.Area(category);

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var text = $"{_area}: {formatter(state, null)}";
        var fields = new List<KeyValuePair<string, string>>
        {
            new("MESSAGE", exception is null ? text : $"{text}\n{exception}"),
            new("PRIORITY", ((int)Priority(logLevel)).ToString(CultureInfo.InvariantCulture)),
            new("SYSLOG_IDENTIFIER", "accelerated"),
            new($"{FieldPrefix}AREA", _area),
            new($"{FieldPrefix}INSTANCE", instance),
        };
        if (eventId.Id != 0)
        {
            fields.Add(new("MESSAGE_ID", MessageIds.Of(eventId.Id)));
            fields.Add(new($"{FieldPrefix}EVENT", eventId.Id.ToString(CultureInfo.InvariantCulture)));
        }

        if (state is IEnumerable<KeyValuePair<string, object?>> values)
        {
            foreach (var (name, value) in values)
            {
                if (value is not null && Field(name) is { } field)
                    fields.Add(new(field, Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""));
            }
        }

        // journald may be restarting; then the line goes the way every other program's does, with the priority it understands (sd-daemon(3)).
        if (!send(fields))
            Console.Error.WriteLine($"<{(int)Priority(logLevel)}>{text}");
    }

    /// <summary>PublicIP → ACCELERATED_PUBLIC_IP; null for what is no name, such as <c>{OriginalFormat}</c>.</summary>
    internal static string? Field(string name)
    {
        var field = new StringBuilder(FieldPrefix, LongestName);
        for (var i = 0; i < name.Length; i++)
        {
            var c = name[i];
            if (!char.IsAsciiLetterOrDigit(c))
                return null;
            if (i > 0 && char.IsAsciiLetterUpper(c) && !char.IsAsciiLetterUpper(name[i - 1]))
                field.Append('_');
            field.Append(char.ToUpperInvariant(c));
        }

        return name.Length > 0 && field.Length <= LongestName ? field.ToString() : null;
    }

    private static JournalPriority Priority(LogLevel level) => level switch
    {
        LogLevel.Critical => JournalPriority.Critical,
        LogLevel.Error => JournalPriority.Error,
        LogLevel.Warning => JournalPriority.Warning,
        LogLevel.Information => JournalPriority.Info,
        _ => JournalPriority.Debug,
    };
}
