using Accelerated.Interop.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Systemd;

/// <summary>The log of a service whose standard error is the journal.</summary>
/// <param name="instance"><c>--instance</c>, for <c>ACCELERATED_INSTANCE</c>.</param>
internal sealed class JournalLoggerProvider(string instance) : ILoggerProvider
{
    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new JournalLogger(categoryName, instance, Journal.TrySend);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is open: libsystemd keeps the socket for the life of the process.
    }
}
