using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Tests;

/// <summary>Keeps what was logged.</summary>
internal sealed class LogRecorder<T> : ILogger<T>
{
    private readonly ConcurrentQueue<(int Id, LogLevel Level, string Text)> _lines = new();

    internal IReadOnlyCollection<(int Id, LogLevel Level, string Text)> Lines => _lines;

    internal int Count(int id) => _lines.Count(l => l.Id == id);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue((eventId.Id, logLevel, formatter(state, exception)));
}
