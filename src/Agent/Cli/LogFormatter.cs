using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Accelerated.Agent.Cli;

/// <summary>One line per event: time in UTC, level, area, message. <c>2026-11-21T02:47:14.539Z info  leases: subnet 10.5.2.0-24 is ours</c>.</summary>
internal sealed class LogFormatter(TimeProvider time) : ConsoleFormatter(FormatterName)
{
    /// <summary>Name under which the console logger finds it.</summary>
    public const string FormatterName = "accelerated";

    /// <inheritdoc/>
    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var now = time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        textWriter.Write($"{now} {Level(logEntry.LogLevel)} {Area(logEntry.Category)}: {logEntry.Formatter(logEntry.State, null)}");
        if (logEntry.Exception is { } exception)
            textWriter.Write($"\n{exception}");
        textWriter.Write('\n');
    }

    private static string Level(LogLevel level) => level switch
    {
        LogLevel.Critical => "fatal",
        LogLevel.Error => "error",
        LogLevel.Warning => "warn ",
        LogLevel.Information => "info ",
        _ => "debug",
    };

    /// <summary>The folder a message comes from: Accelerated.Agent.Leases.OwnSubnetKeeper → leases.</summary>
    internal static string Area(string category)
    {
        var parts = category.Split('.');
        return parts.Length < 2 ? category : parts[^2].ToLowerInvariant();
    }
}
