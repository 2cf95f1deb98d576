using System.Diagnostics;

namespace Accelerated.Lab;

/// <summary>
/// A command that runs in a namespace while something else is done. Its output goes to a file, where it can be read at any
/// time. Disposing kills it, if it still runs.
/// </summary>
public sealed class BackgroundCommand : IAsyncDisposable
{
    private readonly LabCommands _commands;
    private readonly Process _process;
    private readonly string _shown;
    private readonly string? _pidFile;

    internal BackgroundCommand(
        LabCommands commands, string ns, IReadOnlyList<string> command, string outputFile, string? pidFile = null,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        _commands = commands;
        _shown = LabCommands.Show(command);
        _pidFile = pidFile;
        OutputFile = outputFile;
        _process = commands.Start(ns, command, outputFile, pidFile, environment);
        ProcessId = _process.Id;
    }

    /// <summary>Process id of the command itself.</summary>
    public int ProcessId { get; }

    /// <summary>Where its standard output and standard error go.</summary>
    public string OutputFile { get; }

    /// <summary>Whether it has not exited yet.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>Exit code once it has exited; 128 + n if signal n ended it.</summary>
    public int? ExitCode => _process.HasExited ? _process.ExitCode : null;

    /// <summary>All it has written so far.</summary>
    public string Output() => File.Exists(OutputFile) ? LogFiles.Read(OutputFile) : "";

    /// <summary>Waits until it listens on a TCP port, without connecting to it.</summary>
    /// <exception cref="LabException">It exited, or the deadline passed; the message ends with its output.</exception>
    public Task WaitListeningAsync(int port, CancellationToken cancel = default)
    {
        // The fields of /proc/PID/net/tcp are address:port in hexadecimal, and state 0A is LISTEN (kernel: proc_net_tcp.rst).
        var suffix = $":{port:X4}";
        return WaitAsync($"port {port}", () => HasEntered() && (ListeningIn("tcp") || ListeningIn("tcp6")), cancel: cancel);

        // Until nsenter has done its work, the table is the machine's own.
        bool HasEntered() =>
            File.ResolveLinkTarget($"/proc/{ProcessId}/ns/net", false)?.Name != File.ResolveLinkTarget("/proc/self/ns/net", false)?.Name;

        bool ListeningIn(string table) =>
            File.ReadLines($"/proc/{ProcessId}/net/{table}").Skip(1)
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Any(f => f.Length > 3 && f[1].EndsWith(suffix, StringComparison.Ordinal) && f[3] == "0A");
    }

    /// <summary>Waits for a condition that only holds while the command runs.</summary>
    /// <exception cref="LabException">It exited, or the deadline passed; the message ends with its output.</exception>
    public async Task WaitAsync(string what, Func<bool> condition, TimeSpan? deadline = null, CancellationToken cancel = default)
    {
        await Wait.UntilAsync($"{what} of: {_shown}", () =>
        {
            try
            {
                if (condition())
                    return true;
            }
            catch (IOException) when (!IsRunning)
            {
                // Its /proc directory went away under the reader; said just below.
            }
            return IsRunning ? false : throw new LabException($"exited with {ExitCode} while waiting for {what}: {_shown}\n{Tail()}");
        }, deadline, Tail, cancel);

        string Tail() => LogFiles.Tail(OutputFile);
    }

    /// <summary>Sends a signal and waits for the exit; nothing if it has exited.</summary>
    /// <param name="signal">Without SIG: TERM, INT, KILL.</param>
    /// <param name="deadline">How long it may take.</param>
    /// <returns>The exit code; 128 + n if signal n ended it.</returns>
    /// <exception cref="LabException">It did not exit in time; it runs on.</exception>
    public async Task<int> StopAsync(string signal, TimeSpan? deadline = null)
    {
        if (IsRunning)
            await _commands.SignalAsync(signal, ProcessId);
        await Wait.UntilAsync($"the exit after SIG{signal} of: {_shown}", () => !IsRunning, deadline, () => LogFiles.Tail(OutputFile));
        if (_pidFile is not null)
            File.Delete(_pidFile);
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync("KILL");
        _process.Dispose();
    }
}
